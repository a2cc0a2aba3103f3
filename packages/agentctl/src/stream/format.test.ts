import fc from "fast-check";
import t from "tap";
import { storedEntries } from "./fixtures/entries.ts";
import { printFrames, printLines } from "./format.ts";
import { otlpRequest } from "./otlp.ts";
import { syslogMessage } from "./syslog.ts";

interface Parsed {
  readonly priority: number;
  readonly header: readonly string[];
  readonly data: Readonly<Record<string, string>>;
  readonly message: string;
}

/** Reads messages one after the other as a receiver does (RFC 5424 6, RFC 6587 3.4.1), knowing nothing of how they are made. */
function receive(bytes: Buffer): Parsed[] {
  const found: Parsed[] = [];
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const length = Number(bytes.toString("latin1", at, space));
    found.push(parse(bytes.toString("utf8", space + 1, space + 1 + length)));
    at = space + 1 + length;
  }
  return found;
}

function parse(text: string): Parsed {
  const head =
    /^<(\d{1,3})>1 ([!-~]+) ([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) \[[^ =\]"]{1,32}/.exec(
      text,
    );
  if (head === null) throw new Error(`no header: ${text}`);
  let at = head[0].length;
  const data: Record<string, string> = {};
  while (text[at] === " ") {
    const name = /^([^ =\]"]{1,32})="/.exec(text.slice(at + 1))?.[1];
    if (name === undefined) throw new Error(`no parameter at ${at}: ${text}`);
    let value = "";
    for (at += name.length + 3; text[at] !== '"'; at += 1) {
      if (text[at] === "]" || at >= text.length) throw new Error(`an unescaped end at ${at}: ${text}`);
      if (text[at] === "\\") at += 1;
      value += text[at];
    }
    data[name] = value;
    at += 1;
  }
  if (text.slice(at, at + 3) !== "] \ufeff") throw new Error(`no UTF-8 text at ${at}: ${text}`);
  return { priority: Number(head[1]), header: head.slice(2), data, message: text.slice(at + 3) };
}

t.test("an entry is one syslog message, with its names in structured data", async (t) => {
  const [stored] = storedEntries(7, 7, { incident: "i-1", run: "r-1" });
  if (stored === undefined) throw new Error("there is one");
  const { priority, header, data, message } = parse(syslogMessage(stored));
  t.equal(priority, 13 * 8 + 4);
  t.same(header, ["2026-11-23T10:00:00.049Z", "etl-01", "daruma", "-", "agent.exit"]);
  const { seq, hash, actor, action, subject, incident, run } = stored.entry;
  t.same(data, { seq: String(seq), hash, actor, action, subject, incident, run });
  t.equal(message, stored.line, "the stored bytes, fit to be verified");
  const severities = ["critical", "info", "strange", undefined].map((severity) => {
    const [one] = storedEntries(1, 1, { details: severity === undefined ? {} : { severity } });
    return one === undefined ? 0 : parse(syslogMessage(one)).priority % 8;
  });
  t.same(severities, [2, 6, 6, 6]);
});

t.test("whatever an entry says, a receiver finds the messages and their values again", async () => {
  const label = fc.oneof(
    fc.string({ minLength: 1, maxLength: 40, unit: "grapheme" }),
    fc.constantFrom('a"b', "c\\d", "]", "\\", '"]', "é \u{1f600}", "x".repeat(256)),
  );
  const one = fc.record({ action: label, subject: label, actor: label, host: label });
  fc.assert(
    fc.property(fc.array(one, { minLength: 1, maxLength: 5 }), (changes) => {
      const entries = changes.flatMap((change, index) => storedEntries(index + 1, index + 1, change));
      const received = receive(Buffer.from(printFrames.syslog(entries)));
      return received.every(({ data, message }, index) => {
        const stored = entries[index];
        return stored !== undefined && message === stored.line && data.subject === stored.entry.subject;
      });
    }),
  );
});

t.test("entries are OTLP log records, with 64-bit integers as texts", async (t) => {
  const [early] = storedEntries(1, 1, { details: { severity: "critical", at: "2026-11-23T09:59:00.000Z" } });
  const [late] = storedEntries(2, 2, { details: { at: "no time" } });
  if (early === undefined || late === undefined) throw new Error("there are two");
  const request = JSON.parse(JSON.stringify(otlpRequest([early, late])));
  const [{ resource, scopeLogs }] = request.resourceLogs;
  t.same(resource.attributes[1], { key: "host.name", value: { stringValue: "etl-01" } });
  const [first, second] = scopeLogs[0].logRecords;
  t.match(first, {
    timeUnixNano: "1795427940000000000",
    observedTimeUnixNano: "1795428000049000000",
    severityNumber: 21,
    severityText: "critical",
    eventName: "agent.exit",
    body: { stringValue: early.line },
  });
  t.same(first.attributes[0], { key: "daruma.seq", value: { intValue: "1" } });
  t.equal(second.timeUnixNano, "1795428000049000000");
  t.equal(second.severityNumber, 9);
});

t.test("on stdout everything is a line", async (t) => {
  const entries = storedEntries(1, 3);
  t.equal(printLines.jsonl(entries), entries.map(({ line }) => `${line}\n`).join(""));
  t.equal(printLines.syslog(entries).split("\n").length, 4);
  t.equal(JSON.parse(printLines.otlp(entries)).resourceLogs[0].scopeLogs[0].logRecords.length, 3);
});
