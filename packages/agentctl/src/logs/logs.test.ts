import { appendFileSync, chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Entry } from "@daruma/ledger";
import fc from "fast-check";
import t from "tap";
import { eventually, scratchDirectory } from "../test-support/agentctl.ts";
import { fileSource } from "./file-source.ts";
import { logPrinters, otlpLines, syslogLine } from "./formats.ts";
import { History } from "./history.ts";
import { journalSource, lineOf } from "./journal-source.ts";
import type { LogSource, SourceLine, SourceQuery } from "./log-line.ts";

const signal = new AbortController().signal;

async function all(source: LogSource, query: Partial<SourceQuery> = {}): Promise<SourceLine[]> {
  const lines: SourceLine[] = [];
  for await (const line of source({ agent: "web", follow: false, signal, ...query })) lines.push(line);
  return lines;
}

const texts = (lines: readonly SourceLine[]) => lines.map(({ message }) => message);

let seq = 0;
function told(action: string, at: string, labels: Partial<Entry> = {}): Entry {
  seq += 1;
  const time = `2026-11-28T${at}Z`;
  const prev = "0".repeat(64);
  const base = {
    v: 1,
    seq,
    time,
    host: "h",
    actor: "watchd",
    action,
    subject: "web",
    prev,
    hash: prev,
  } as const;
  return { ...base, ...labels, details: { at: time, ...labels.details } };
}

const line = (at: string, more: Partial<SourceLine> = {}): SourceLine => ({
  agent: "web",
  timeUs: Date.parse(`2026-11-28T${at}Z`) * 1000 + 7,
  run: null,
  invocation: null,
  severity: 6,
  message: "m",
  cursor: "c",
  ...more,
});

function history(): History {
  const all = new History();
  for (const entry of [
    told("agent.start", "10:00:00.000", { run: "run-1", details: { generation: 3 } }),
    told("agent.exit", "10:05:00.000", { run: "run-1", incident: "inc-1" }),
    told("agent.start", "10:05:01.000", { run: "run-2", incident: "inc-1", details: { generation: 3 } }),
    told("recovery.verified", "10:05:03.000", { run: "run-2", incident: "inc-1" }),
    told("agent.adopt", "10:09:00.000", { run: "inv-abc" }),
  ])
    all.add(entry);
  return all;
}

t.test(
  "a line belongs to the run that was noted last before it, and to the incident that was open",
  async (t) => {
    const known = history();
    const places = (at: string, more: Partial<SourceLine> = {}) => {
      const { time, run, incident, generation } = known.place(line(at, more));
      return [time, run, incident, generation];
    };
    t.same(places("09:59:59.000"), ["2026-11-28T09:59:59.000007Z", null, null, null]);
    t.same(places("10:00:00.000"), ["2026-11-28T10:00:00.000007Z", "run-1", null, 3]);
    t.same(places("10:05:00.500"), ["2026-11-28T10:05:00.500007Z", "run-1", "inc-1", 3]);
    t.same(places("10:05:02.000"), ["2026-11-28T10:05:02.000007Z", "run-2", "inc-1", 3]);
    t.same(places("10:06:00.000"), ["2026-11-28T10:06:00.000007Z", "run-2", null, 3]);
    t.same(
      places("10:08:59.900", { invocation: "abc" }).slice(1),
      ["inv-abc", null, null],
      "systemd knows it exactly",
    );
    t.same(places("10:00:00.000", { timeUs: null, run: "run-2" }), [null, "run-2", "inc-1", 3]);
    t.same(places("10:00:00.000", { timeUs: null, run: "none" }), [null, "none", null, null]);
  },
);

t.test("files are read in order over what was copied away, with their runs, and gone on with", async (t) => {
  const state = scratchDirectory(t);
  const home = join(state, "agents", "web");
  mkdirSync(home, { recursive: true });
  const source = fileSource(state);
  t.same(await all(source), []);
  writeFileSync(join(home, "log.0-4"), "one\n");
  writeFileSync(join(home, "log.4-8"), "two\n");
  // What was copied away reads as zeros.
  writeFileSync(join(home, "log"), "\0".repeat(8));
  appendFileSync(join(home, "log"), "three\nünd");
  const runs = [
    { run: "r-1", at: 1_000, from: 0, origin: 0 },
    { run: "r-2", at: 2_000, from: 4, origin: 0 },
    { run: "r-3", at: 3_000, from: 8, origin: 0 },
  ];
  writeFileSync(join(home, "log.runs"), `${runs.map((run) => JSON.stringify(run)).join("\n")}\n{"run":`);
  const found = await all(source);
  t.same(texts(found), ["one", "two", "three", "ünd"]);
  t.same(
    found.map(({ run }) => run),
    ["r-1", "r-2", "r-3", "r-3"],
  );
  t.same(texts(await all(source, { after: found[1]?.cursor })), ["three", "ünd"]);
  t.same(texts(await all(source, { newest: 3 })), ["two", "three", "ünd"]);
  t.same(texts(await all(source, { newest: 0 })), []);
  t.same(texts(await all(source, { newest: 99 })), texts(found));
  t.same(texts(await all(source, { sinceMs: 2_500 })), ["two", "three", "ünd"], "of the run that lived then");
  await t.rejects(all(source, { after: "99" }), { code: "STREAM_E_CURSOR" });

  const stop = new AbortController();
  const heard: string[] = [];
  const lost: number[] = [];
  writeFileSync(join(home, "log.0-4"), "");
  const listening = (async () => {
    for await (const { message } of source({ agent: "web", follow: true, after: "8", signal: stop.signal }))
      heard.push(message);
  })();
  await eventually("what is there", () => (heard.length === 1 ? true : null));
  appendFileSync(join(home, "log"), "\nnew\n");
  await eventually("what comes", () => (heard.length === 3 ? true : null));
  t.same(heard, ["three", "ünd", "new"]);
  stop.abort(new Error("enough"));
  await t.rejects(listening, /enough/);
  rmSync(join(home, "log.0-4"));
  t.equal(texts(await all(source, { after: "0", onLost: (bytes) => lost.push(bytes) }))[0], "two");
  t.same(lost, [4], "what was dropped is told");
});

t.test("whatever is written, lines come out whole and once, wherever it is gone on", async (t) => {
  const state = scratchDirectory(t);
  const home = join(state, "agents", "web");
  mkdirSync(home, { recursive: true });
  const text = fc
    .string({ unit: "grapheme", maxLength: 30 })
    .map((word) => word.replaceAll(/[\r\n\0]/g, "x"));
  await fc.assert(
    fc.asyncProperty(fc.array(text, { maxLength: 20 }), fc.nat(20), async (words, stop) => {
      writeFileSync(join(home, "log"), words.map((word) => `${word}\n`).join(""));
      const source = fileSource(state);
      const first = (await all(source)).slice(0, stop);
      const rest = await all(source, { after: first.at(-1)?.cursor });
      return JSON.stringify(texts([...first, ...rest])) === JSON.stringify(words);
    }),
    { numRuns: 40 },
  );
});

t.test("the journal is asked for the agent's unit, and read as it is", async (t) => {
  const directory = scratchDirectory(t);
  const program = join(directory, "journalctl");
  const script = (text: string) => {
    writeFileSync(program, `#!/bin/sh\n${text}\n`);
    chmodSync(program, 0o755);
  };
  const entry = {
    _SYSTEMD_UNIT: "daruma-agent-web.service",
    __CURSOR: "s=1;i=2",
    __REALTIME_TIMESTAMP: "1795860000123456",
    _SYSTEMD_INVOCATION_ID: "abc",
    PRIORITY: "3",
    MESSAGE: [226, 130, 172, 10],
  };
  script(`echo "$@" >${directory}/arguments\ncat <<'E'\n${JSON.stringify(entry)}\nnot JSON\nE`);
  const query = { after: "s=0", sinceMs: 1_500, untilMs: 2_000, newest: 5, follow: true };
  t.same(await all(journalSource(program), query), [
    {
      agent: "web",
      timeUs: 1_795_860_000_123_456,
      run: null,
      invocation: "abc",
      severity: 3,
      message: "€\n",
      cursor: "s=1;i=2",
    },
  ]);
  t.match(
    readFileSync(join(directory, "arguments"), "utf8"),
    / --after-cursor=s=0 --since=@1\.500000 --until=@2\.000000 --lines=5 --follow _SYSTEMD_UNIT=daruma-agent-web\.service\n$/,
  );
  for (const strange of [
    { ...entry, _SYSTEMD_UNIT: "ssh.service" },
    { ...entry, __CURSOR: 1 },
    { ...entry, __REALTIME_TIMESTAMP: "x" },
  ])
    t.equal(lineOf(JSON.stringify(strange)), null);
  t.match(lineOf(JSON.stringify({ ...entry, PRIORITY: "77", MESSAGE: null })), { severity: 6, message: "" });
  script("echo 'No journal files were opened' >&2; exit 1");
  await t.rejects(all(journalSource(program)), { code: "LOGS_E_JOURNAL", message: /No journal files/ });
  await t.rejects(all(journalSource(join(directory, "none"))), { code: "LOGS_E_JOURNAL", message: /ENOENT/ });
});

t.test("lines are sent in each format with what is known of them", async (t) => {
  const sent = {
    host: "etl 01",
    timeUs: 1_795_860_000_123_456,
    cursor: "c",
    line: history().place(line("10:05:02.000", { message: 'a "b"\nc' })),
  };
  const text = syslogLine(sent);
  t.equal(
    text,
    '<30>1 2026-11-28T10:05:02.000007Z etl?01 web - - [daruma@32473 agent="web" run="run-2" incident="inc-1" generation="3"] \ufeffa "b"\nc',
  );
  t.equal(logPrinters.frames.syslog([sent, sent]), `${Buffer.byteLength(text)} ${text}`.repeat(2));
  t.equal(logPrinters.lines.syslog([sent]).split("\n").length, 2, "a line is a line");
  t.match(syslogLine({ ...sent, line: { ...sent.line, time: null, severity: 3 } }), /^<27>1 - /);
  t.match(JSON.parse(logPrinters.lines.jsonl([sent])), {
    host: "etl 01",
    agent: "web",
    run: "run-2",
    incident: "inc-1",
  });
  const [{ resource, scopeLogs }] = JSON.parse(JSON.stringify(otlpLines([sent]))).resourceLogs;
  t.match(resource.attributes, [
    { key: "service.name", value: { stringValue: "web" } },
    {},
    { value: { stringValue: "etl 01" } },
  ]);
  t.match(scopeLogs[0].logRecords, [
    {
      timeUnixNano: "1795860000123456000",
      severityNumber: 9,
      body: { stringValue: 'a "b"\nc' },
      attributes: [
        { key: "daruma.run", value: { stringValue: "run-2" } },
        { key: "daruma.incident" },
        { key: "daruma.generation" },
      ],
    },
  ]);
});
