import fc from "fast-check";
import t from "tap";
import { ledgerErrors } from "./catalogue.ts";
import { sealEntry, zeroHash } from "./entry.ts";
import { idOfStart, parseAppend, printError, printOutcome } from "./request.ts";

const good = { id: 7, action: "a", subject: "s", details: { x: 1 } };

const parse = (value: unknown, writer = "watchd") =>
  parseAppend(Buffer.from(JSON.stringify(value)), writer, "etl-01");

t.test("a request becomes an entry of the writer whose socket it came through", async (t) => {
  const parsed = parse({ ...good, incident: "i", run: "r", key: { epoch: "e", n: 0 } });
  if (parsed.error !== null) throw parsed.error;
  t.same(parsed.key, { epoch: "e", n: 0 });
  const { line } = sealEntry(parsed.prepared, zeroHash, 1, "2026-11-23T10:00:00.000Z");
  const { id: _, ...fields } = good;
  t.match(JSON.parse(line), { actor: "watchd", host: "etl-01", ...fields, incident: "i", run: "r" });
});

t.test("a bad field is named, with the id of its request", async (t) => {
  const cases: readonly (readonly [Record<string, unknown>, RegExp])[] = [
    [{ action: undefined }, /^action /],
    [{ action: "" }, /^action /],
    [{ subject: 1 }, /^subject /],
    [{ details: undefined }, /^details /],
    [{ details: [] }, /^details /],
    [{ incident: null }, /^incident /],
    [{ run: "a\u0000" }, /^run /],
    [{ key: null }, /^key /],
    [{ key: { epoch: "e" } }, /^key /],
    [{ key: { epoch: "", n: 1 } }, /^key /],
    [{ key: { epoch: "e", n: -1 } }, /^key /],
    [{ key: { epoch: "e", n: 1.5 } }, /^key /],
    [{ key: { epoch: "e", n: 1, m: 2 } }, /^key /],
    [{ actor: "root" }, /unknown field actor/],
    [{ host: "other" }, /unknown field host/],
    [{ "\u001b[31m": 1 }, /unknown field$/],
    [{ details: { a: 2 ** 60 } }, /^details\.a: /],
    [{ details: { a: "\ud800" } }, /^details\.a: /],
  ];
  for (const [changes, message] of cases) {
    const { id, error } = parse({ ...good, ...changes });
    t.match(error, { code: "LEDGER_E_BAD_REQUEST", message }, JSON.stringify(changes));
    t.equal(id, 7);
  }
});

t.test("a line without a usable id is answered without one", async (t) => {
  for (const id of [undefined, null, "7", -1, 1.5, 2 ** 53]) {
    t.match(parse({ ...good, id }), { id: null, error: { code: "LEDGER_E_BAD_REQUEST" } }, String(id));
  }
  for (const text of ["", "[]", "null", "nonsense", '{"id":7']) {
    const parsed = parseAppend(Buffer.from(text), "watchd", "etl-01");
    t.match(parsed, { id: null, error: { code: "LEDGER_E_BAD_REQUEST" } }, text);
  }
  const notUtf8 = Buffer.concat([Buffer.from('{"id":7,"action":"'), Buffer.from([0xff]), Buffer.from('"}')]);
  t.match(parseAppend(notUtf8, "watchd", "etl-01"), { id: null, error: { code: "LEDGER_E_BAD_REQUEST" } });
});

t.test("only the operator's socket may say on whose behalf", async (t) => {
  const request = { ...good, details: { onBehalfOf: "zoe" } };
  t.equal(parse(request, "operator").error, null);
  t.equal(parse(request, "watchd").error?.code, "LEDGER_E_BAD_REQUEST");
  t.equal(parse({ ...good, onBehalfOf: "zoe" }, "operator").error?.code, "LEDGER_E_BAD_REQUEST");
});

t.test(
  "only the socket of the watchdog may say which agent an entry is of, which becomes its actor",
  async (t) => {
    const parsed = parse({ ...good, agent: "enricher" });
    if (parsed.error !== null) throw parsed.error;
    const { line } = sealEntry(parsed.prepared, zeroHash, 1, "2026-11-23T10:00:00.000Z");
    t.match(JSON.parse(line), { actor: "agent:enricher", details: good.details });
    t.notOk(Object.hasOwn(JSON.parse(line), "agent"));
    t.equal(parse({ ...good, agent: "enricher" }, "operator").error?.code, "LEDGER_E_BAD_REQUEST");
    for (const agent of ["", "watchd:x", "A", null, 7, "x".repeat(29)]) {
      t.equal(parse({ ...good, agent }).error?.code, "LEDGER_E_BAD_REQUEST", String(agent));
    }
  },
);

t.test("the id of a line that is too long is found where it comes first", async (t) => {
  t.equal(idOfStart(Buffer.from('{"id":12,"action":"xxx')), 12);
  t.equal(idOfStart(Buffer.from('{"action":"a","id":12,')), null);
  t.equal(idOfStart(Buffer.from('{"id":9007199254740993,')), null);
  t.equal(idOfStart(Buffer.from('{"id":12')), null);
  t.equal(idOfStart(Buffer.from('{"id":-1,')), null);
});

t.test("every answer is one line of JSON", async (t) => {
  const written = { kind: "written", seq: 3, hash: zeroHash, time: "t" } as const;
  t.same(JSON.parse(printOutcome(1, written)), { id: 1, seq: 3, hash: zeroHash, time: "t" });
  t.same(JSON.parse(printOutcome(1, { kind: "duplicate" })), { id: 1, duplicate: true });
  const error = ledgerErrors.make("LEDGER_E_STOPPING", "a\nb");
  for (const text of [printError(null, error), printOutcome(1, { kind: "refused", error })]) {
    t.match(JSON.parse(text), { error: { code: "LEDGER_E_STOPPING", message: "a\nb", hint: error.hint } });
    t.equal(text.indexOf("\n"), text.length - 1);
  }
});

t.test("no bytes make the parser throw", async () => {
  const line = fc.oneof(
    fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes)),
    fc.json().map((text) => Buffer.from(text)),
    fc.jsonValue().map((details) => Buffer.from(JSON.stringify({ ...good, details }))),
    fc.jsonValue().map((key) => Buffer.from(JSON.stringify({ ...good, key }))),
  );
  fc.assert(fc.property(line, (bytes) => parseAppend(bytes, "watchd", "etl-01") !== undefined));
});
