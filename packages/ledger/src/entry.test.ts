import { createHash } from "node:crypto";
import { canonicalize, type JsonValue } from "@daruma/base";
import { character } from "@daruma/base/test-support";
import fc from "fast-check";
import t from "tap";
import {
  type Entry,
  type EntryDraft,
  faultOfField,
  isLabel,
  type JsonObject,
  maxDetailsDepth,
  prepareEntry,
  readEntry,
  sealEntry,
  zeroHash,
} from "./entry.ts";
import { chainOf, draft } from "./test-support.ts";

const time = "2026-11-23T10:00:00.000Z";

function seal(fields: EntryDraft = draft): string {
  return sealEntry(prepareEntry(fields, "etl-01", "watchd"), zeroHash, 1, time).line;
}

/** The line with some fields set to something else (or left out: undefined), canonical, and with the right hash. */
function altered(changes: Record<string, unknown>): string {
  const { hash: _, ...rest } = { ...JSON.parse(seal()), ...changes } as Record<string, JsonValue>;
  const entry = JSON.parse(JSON.stringify(rest)) as JsonObject;
  const hash = createHash("sha256").update(canonicalize(entry)).digest("hex");
  return canonicalize({ ...entry, hash });
}

t.test("an entry is the canonical JSON of its fields, its hash that of the rest", async (t) => {
  const entry = JSON.parse(seal()) as Entry;
  const { hash, ...rest } = entry;
  t.equal(seal(), canonicalize({ ...entry } as unknown as JsonValue));
  t.equal(
    hash,
    createHash("sha256")
      .update(canonicalize(rest as unknown as JsonValue))
      .digest("hex"),
  );
  t.match(entry, { v: 1, seq: 1, time, host: "etl-01", actor: "watchd", prev: zeroHash, ...draft });
});

t.test("incident and run are left out where there are none", async (t) => {
  const { incident: _, run: __, ...rest } = draft;
  const entry = JSON.parse(seal(rest)) as Entry;
  t.notOk("incident" in entry || "run" in entry);
  t.equal(readEntry(seal(rest)).fault, null);
});

const label = fc.string({ unit: character, minLength: 1, maxLength: 256 }).filter(isLabel);
const details = fc
  .dictionary(fc.string({ unit: "grapheme" }), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 5 })
  .filter((value) => {
    try {
      canonicalize(value as JsonObject);
      return true;
    } catch {
      return false;
    }
  });

t.test("whatever is sealed reads back without a fault, as the same fields", async () => {
  const drafts = fc.record(
    { action: label, subject: label, incident: label, run: label, details },
    { requiredKeys: ["action", "subject", "details"] },
  );
  fc.assert(
    fc.property(
      drafts,
      label,
      label,
      fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
      (fields, host, actor, seq) => {
        const { line } = sealEntry(prepareEntry(fields as EntryDraft, host, actor), zeroHash, seq, time);
        const { entry, fault } = readEntry(line);
        if (fault !== null) throw new Error(fault.message);
        return (
          canonicalize(entry as unknown as JsonValue) === line &&
          entry.host === host &&
          entry.actor === actor &&
          entry.seq === seq &&
          canonicalize(entry.details) === canonicalize(fields.details as JsonObject)
        );
      },
    ),
  );
});

t.test("a field that is missing, of the wrong type or unknown is a bad field", async (t) => {
  const cases: readonly Record<string, unknown>[] = [
    ...["seq", "time", "host", "actor", "action", "subject", "details", "prev"].map((name) => ({
      [name]: undefined,
    })),
    { extra: 1 },
    { __proto__x: 1 },
    { constructor: 1 },
    { seq: 0 },
    { seq: 1.5 },
    { seq: -1 },
    { seq: "1" },
    { seq: null },
    { host: "" },
    { host: 5 },
    { host: "a\nb" },
    { actor: "\u009b31m" },
    { action: "x".repeat(257) },
    { subject: null },
    { subject: ["a"] },
    { incident: "" },
    { incident: null },
    { run: 7 },
    { details: [] },
    { details: null },
    { details: "text" },
    { prev: "0" },
    { prev: "A".repeat(64) },
    { prev: `${"0".repeat(63)}g` },
  ];
  for (const changes of cases) {
    const reading = readEntry(altered(changes));
    t.equal(reading.fault?.reason, "bad-field", JSON.stringify(changes));
    t.equal(reading.entry, null);
  }
  t.equal(readEntry(seal().replace(/"hash":"\w{64}",/, "")).fault?.reason, "bad-field", "no hash");
  t.equal(readEntry(altered({ subject: "x".repeat(256), host: "\u{1f600}".repeat(256) })).fault, null);
});

t.test("another version, or none, is a bad version, whatever else there is", async (t) => {
  for (const v of [2, 0, "1", null, undefined, [[]]]) {
    t.equal(readEntry(altered({ v, extra: 1 })).fault?.reason, "bad-version", String(v));
  }
  for (const text of ["[]", "1", "null", '"x"', "true"])
    t.equal(readEntry(text).fault?.reason, "bad-field", text);
});

t.test("a time is a real instant in UTC with milliseconds", async (t) => {
  const good = [
    "2024-02-29T23:59:59.999Z",
    "0000-02-29T00:00:00.000Z",
    "9999-12-31T00:00:00.000Z",
    "2000-02-29T00:00:00.000Z",
  ];
  for (const time of good) t.equal(readEntry(altered({ time })).fault, null, time);
  const bad = [
    "2023-02-29T00:00:00.000Z",
    "1900-02-29T00:00:00.000Z",
    "2026-04-31T00:00:00.000Z",
    "2026-13-01T00:00:00.000Z",
    "2026-00-01T00:00:00.000Z",
    "2026-01-00T00:00:00.000Z",
    "2026-01-01T24:00:00.000Z",
    "2026-01-01T00:00:60.000Z",
    "2026-01-01T00:00:00Z",
    "2026-01-01T00:00:00.000+00:00",
    "2026-01-01 00:00:00.000Z",
    "2026-01-01T00:00:00.000z",
    "+02026-01-01T00:00:00.000Z",
    "2026-01-01T00:00:00.000Z\n",
    1,
  ];
  for (const time of bad) t.equal(readEntry(altered({ time })).fault?.reason, "bad-field", String(time));
});

t.test("bytes that are not canonical are a fault even where the meaning is the same", async (t) => {
  const line = seal();
  const variants = {
    space: line.replace(":1,", ": 1,"),
    "trailing space": `${line} `,
    "carriage return": `${line}\r`,
    "other order": line.replace(/^\{("action":"[^"]*"),("actor":"[^"]*")/, "{$2,$1"),
    "other order in details": line.replace(/("attempt":1),("cause":\{[^}]*\})/, "$2,$1"),
    "escaped slash": line.replace("agent/enricher", "agent\\/enricher"),
    "escaped letter": line.replace("Zoë", "Zo\\u00eb"),
    "number form": line.replace('"seq":1', '"seq":1.0'),
    "number in details": line.replace('"attempt":1', '"attempt":1e0'),
    "minus zero": line.replace('"attempt":1', '"attempt":-0'),
    "double key": line.replace('"v":1', '"v":1,"v":1'),
    "double key in details": line.replace('"attempt":1', '"attempt":1,"attempt":1'),
    "unsafe integer": line.replace('"attempt":1', '"attempt":9007199254740993'),
    "infinite number": line.replace('"attempt":1', '"attempt":1e999'),
    "lone surrogate": line.replace("Zoë", "Zo\\ud800"),
  };
  for (const [name, text] of Object.entries(variants)) {
    t.not(text, line, name);
    t.equal(readEntry(text).fault?.reason, "not-canonical", name);
  }
  t.equal(
    readEntry(line.replace("agent/enricher", "\\ud800")).fault?.reason,
    "bad-field",
    "a label is well-formed",
  );
});

t.test("changed content is a wrong hash", async (t) => {
  for (const [from, to] of [
    ["enricher", "Enricher"],
    ['"attempt":1', '"attempt":2'],
    ["SIGKILL", "SIGTERM"],
    ["2026", "2025"],
    ["watchd", "someone"],
  ] as const) {
    t.equal(readEntry(seal().replace(from, to)).fault?.reason, "wrong-hash", to);
  }
});

t.test("details may nest 32 deep, and no depth overflows the stack", async (t) => {
  const nested = (levels: number) => `${'{"a":'.repeat(levels - 1)}{}${"}".repeat(levels - 1)}`;
  const withDetails = (text: string) => seal().replace(/"details":.*?,"hash"/, `"details":${text},"hash"`);
  t.equal(readEntry(withDetails(nested(maxDetailsDepth))).fault?.reason, "wrong-hash");
  t.equal(readEntry(withDetails(nested(maxDetailsDepth + 1))).fault?.reason, "bad-field");
  const deep = 100_000;
  t.equal(readEntry(withDetails(nested(deep))).fault?.reason, "bad-field");
  t.equal(readEntry("[".repeat(deep)).fault?.reason, "not-json");
  t.equal(readEntry("[".repeat(deep) + "]".repeat(deep)).fault?.reason, "bad-field");
  t.equal(readEntry(`{"v":${"[".repeat(deep)}${"]".repeat(deep)}}`).fault?.reason, "bad-version");
  t.equal(readEntry(`{"v":1,"x":${"[".repeat(deep)}${"]".repeat(deep)}}`).fault?.reason, "bad-field");
});

t.test("no text makes reading throw", async () => {
  const [entry] = chainOf(1);
  const line = entry?.line ?? "";
  const edited = fc
    .tuple(fc.nat(line.length), fc.nat(8), fc.string({ unit: character, maxLength: 8 }))
    .map(([at, cut, text]) => line.slice(0, at) + text + line.slice(at + cut));
  const hostile = fc.oneof(fc.string({ unit: character }), fc.json(), edited);
  fc.assert(
    fc.property(hostile, (text) => {
      const { fault } = readEntry(text);
      return (fault === null) === (text === line);
    }),
    { numRuns: 2000 },
  );
});

t.test("the rules for a draft's fields are those of an entry", async (t) => {
  t.equal(faultOfField("action", "agent.exited"), null);
  t.match(faultOfField("action", ""), /^action must/);
  t.match(faultOfField("details", []), /^details must/);
  t.throws(() => prepareEntry({ ...draft, details: { a: Number.NaN } }, "h", "a"), {
    code: "JSON_E_NOT_CANONICAL",
  });
});
