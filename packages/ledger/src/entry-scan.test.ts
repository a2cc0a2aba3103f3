import { canonicalize, type JsonValue } from "@daruma/base";
import fc from "fast-check";
import t from "tap";
import { prepareEntry, readEntry, sealEntry, zeroHash } from "./entry.ts";
import { scanEntry } from "./entry-scan.ts";
import { draft, seededRandom } from "./test-support.ts";

const time = "2026-11-23T10:00:00.000Z";

function line(details: Record<string, JsonValue>, rest: Partial<typeof draft> = {}): Buffer {
  const prepared = prepareEntry({ ...draft, ...rest, details }, "etl-01", "watchd");
  return Buffer.from(sealEntry(prepared, zeroHash, 7, time).line);
}

/** Seals text as `details`, canonical or not, so that nothing but its form can be wrong. */
function lineWith(details: string): Buffer {
  const prepared = prepareEntry({ ...draft, details: {} }, "etl-01", "watchd");
  const changed = {
    ...prepared,
    beforeHash: prepared.beforeHash.replace('"details":{}', `"details":${details}`),
  };
  return Buffer.from(sealEntry(changed, zeroHash, 7, time).line);
}

/** The scan may leave an entry to the whole check; it may not say anything else than that. */
function agrees(bytes: Buffer): boolean {
  const facts = scanEntry(bytes);
  if (facts === null) return true;
  const { entry, fault } = readEntry(bytes.toString("utf8"));
  if (entry === null || fault !== null) return false;
  return (["seq", "time", "host", "prev", "hash"] as const).every((name) => facts[name] === entry[name]);
}

t.test("plain entries are taken, with and without the fields that may be missing", async (t) => {
  const details = { a: [1, -2.5, 1e-7, true, false, null, "text", {}, []], b: { c: { d: [] } } };
  t.match(scanEntry(line(details)), { seq: 7, time, host: "etl-01", prev: zeroHash });
  for (const rest of [{ incident: undefined }, { run: undefined }, { incident: undefined, run: undefined }]) {
    const { incident, run } = { ...draft, ...rest };
    const given = { ...(incident === undefined ? {} : { incident }), ...(run === undefined ? {} : { run }) };
    const prepared = prepareEntry({ action: "a", subject: "s", details: {}, ...given }, "h", "w");
    t.ok(scanEntry(Buffer.from(sealEntry(prepared, zeroHash, 1, time).line)));
  }
});

t.test("what is not canonical is never taken, even if its hash is right", async (t) => {
  for (const details of [
    '{"b":1,"a":2}',
    '{"a":1,"a":2}',
    '{"a":1,"a":1}',
    '{"aa":1,"a":2}',
    '{"a": 1}',
    '{ "a":1}',
    '{"a":1 }',
    '{"a":01}',
    '{"a":-0}',
    '{"a":1.0}',
    '{"a":1e2}',
    '{"a":1E21}',
    '{"a":1e+400}',
    '{"a":9007199254740992}',
    '{"a":-9007199254740992}',
    '{"a":1.}',
    '{"a":.5}',
    '{"a":--1}',
    '{"a":}',
    '{"a":1,}',
    '{"a":[1,]}',
    '{"a":[,1]}',
    '{"a":"\\u0041"}',
    '{"a":"\\/"}',
    '{"a":"\t"}',
    '{"a":nul}',
    '{"a":truefalse}',
    "[]",
    '"a"',
    "1",
    `{"a":${"[".repeat(32)}${"]".repeat(32)}}`,
  ]) {
    t.equal(scanEntry(lineWith(details)), null, details);
    t.ok(
      readEntry(lineWith(details).toString()).fault !== null,
      `${details}: the whole check refuses it too`,
    );
  }
  t.ok(scanEntry(lineWith(`{"a":${"[".repeat(31)}${"]".repeat(31)}}`)));
});

t.test("whatever is in an entry, the scan agrees with the whole check", async (t) => {
  let taken = 0;
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (details) => {
      let bytes: Buffer;
      try {
        canonicalize(details as JsonValue);
        bytes = line(details as Record<string, JsonValue>);
      } catch {
        return true;
      }
      if (scanEntry(bytes) !== null) taken += 1;
      return agrees(bytes);
    }),
    { numRuns: 500 },
  );
  t.ok(taken > 50, `${taken} were plain`);
});

t.test("any bytes changed, cut, doubled or sealed again: the scan agrees with the whole check", async (t) => {
  const random = seededRandom(20261127);
  const pick = (count: number) => Math.floor(random() * count);
  const good = line({ a: [1, 2.5, { b: "c", d: null }], e: { f: -7, g: true }, h: "text" });
  const alphabet = Buffer.from('{}[]":,\\ 019eE+-.tfnualse\u00e9\u0000\u007f~', "utf8");
  for (let run = 0; run < 20_000; run += 1) {
    const changed = Buffer.from(good);
    for (let count = 0; count <= pick(3); count += 1)
      changed[pick(changed.length)] = alphabet[pick(alphabet.length)] ?? 0;
    const from = pick(changed.length);
    const to = pick(changed.length);
    const forms: Buffer[] = [changed, Buffer.concat([changed.subarray(0, from), changed.subarray(to)])];
    const details = /"details":(.*),"hash"/.exec(changed.toString("latin1"))?.[1];
    if (details !== undefined) forms.push(lineWith(Buffer.from(details, "latin1").toString("utf8")));
    const wrong = forms.find((form) => !agrees(form));
    if (wrong !== undefined) t.fail(wrong.toString("latin1"));
  }
});
