import { readFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import t from "tap";
import { signCheckpoint } from "./checkpoint.ts";
import { type Entry, prepareEntry, readEntry, sealEntry, zeroHash } from "./entry.ts";
import { ExportWriter } from "./export.ts";
import type { Selection } from "./export-format.ts";
import { Frontier, leafHash } from "./merkle.ts";
import type { StoredEntry } from "./reader.ts";
import { keyType, makeSigner, parseNote, parseVerifier, printNote, signText } from "./signed-note.ts";
import { noTrust, type Trust } from "./trust.ts";
import type { Verification } from "./verification.ts";
import { verifyLines } from "./verify-lines.ts";

const signer = makeSigner("daruma/etl-01", keyType.note, Buffer.alloc(32, 1));
const witness = makeSigner("witness.example", keyType.cosignature, Buffer.alloc(32, 2));
const trustKey: Trust = { ...noTrust, key: signer.verifier };

/** Entries a second apart, from 10:00:01 on, or at the seconds given. */
function ledgerOf(count: number, seconds = (seq: number) => seq): readonly StoredEntry[] {
  const entries: StoredEntry[] = [];
  let prev = zeroHash;
  for (let seq = 1; seq <= count; seq += 1) {
    const prepared = prepareEntry(
      {
        action: seq % 3 === 0 ? "agent.exit" : "agent.start",
        subject: `agent/a${seq % 5}`,
        details: { seq },
      },
      "etl-01",
      seq % 7 === 0 ? "operator" : "watchd",
    );
    const { line, hash } = sealEntry(prepared, prev, seq, timeAt(seconds(seq)));
    entries.push({ line, entry: readEntry(line).entry as Entry });
    prev = hash;
  }
  return entries;
}

function timeAt(second: number): string {
  return new Date(Date.UTC(2026, 10, 27, 10, 0, second)).toISOString();
}

function checkpointOf(entries: readonly StoredEntry[], size: number): { size: number; checkpoint: string } {
  const frontier = new Frontier();
  for (const { line } of entries.slice(0, size)) frontier.push(leafHash(line));
  return {
    size,
    checkpoint: signCheckpoint(signer, { origin: "daruma/etl-01", size, root: frontier.root() }),
  };
}

async function* iterate<T>(values: readonly T[]): AsyncGenerator<T, void, undefined> {
  yield* values;
}

async function exportOf(
  entries: readonly StoredEntry[],
  selection: Selection = {},
  sizes: readonly number[] = [entries.length],
): Promise<string> {
  const writer = new ExportWriter({
    selection,
    checkpoints: sizes.map((size) => checkpointOf(entries, size)),
  });
  let text = "";
  for await (const block of writer.blocks(iterate(entries))) text += block;
  return text;
}

function verify(text: string, trust: Trust = trustKey): Promise<Verification> {
  return verifyLines(iterate([Buffer.from(text)]), trust);
}

const entryLines = (text: string) => text.split("\n").filter((line) => line.startsWith('{"action":'));

t.test("a whole export is the entries with their checkpoint, complete and signed", async (t) => {
  const entries = ledgerOf(20);
  const text = await exportOf(entries);
  t.equal(text.split("\n").length, 22, "20 entries, one checkpoint, the last newline");
  t.match(await verify(text), {
    ok: true,
    extent: "complete",
    complete: true,
    entries: 20,
    treeSize: 20,
    trustLevel: "signed",
    signed: 20,
    unwitnessed: 20,
    selection: null,
  });
  t.match(await verify(text, noTrust), { ok: true, trustLevel: "chain", signed: 0 });
});

t.test("what older releases export still verifies, for what it is", async (t) => {
  const lines = ledgerOf(20).map(({ line }) => `${line}\n`);
  t.match(await verify(lines.join(""), noTrust), {
    ok: true,
    complete: true,
    trustLevel: "chain",
    treeSize: 20,
  });
  t.match(await verify(lines.slice(5).join(""), noTrust), {
    ok: true,
    complete: false,
    extent: "range",
    entries: 15,
  });
  t.match(await verify(lines.join("")), { ok: false, firstBad: { reason: "unsigned" } });
});

t.test("any selection proves what it holds and where something is left out", async () => {
  const entries = ledgerOf(60);
  const text = fc.constantFrom("watchd", "operator", "nobody");
  const action = fc.constantFrom("agent.exit", "agent.start");
  const time = fc.integer({ min: -5, max: 70 }).map(timeAt);
  const selections = fc.record(
    { since: time, until: time, actor: text, action, subject: fc.constantFrom("agent/a0", "agent/a4") },
    { requiredKeys: [] },
  );
  await fc.assert(
    fc.asyncProperty(selections, fc.array(fc.integer({ min: 1, max: 60 })), async (selection, sizes) => {
      const exported = await exportOf(entries, selection, [...sizes, 60]);
      const { actor, action, subject, since, until } = selection;
      const expected = entries.filter(
        ({ entry }) =>
          (actor === undefined || entry.actor === actor) &&
          (action === undefined || entry.action === action) &&
          (subject === undefined || entry.subject === subject) &&
          (since === undefined || entry.time >= since) &&
          (until === undefined || entry.time <= until),
      );
      const held = entryLines(exported);
      const verdict = await verify(exported);
      const isFiltered = actor !== undefined || action !== undefined || subject !== undefined;
      const all = expected.every(({ line }) => held.includes(line));
      const none = isFiltered ? held.length === expected.length : held.length <= expected.length + 2;
      return verdict.ok && verdict.signed === 60 && all && none && verdict.entries === held.length;
    }),
    { numRuns: 150 },
  );
});

t.test("a range shows the entries on both sides of it, so that nothing within can be missing", async (t) => {
  const entries = ledgerOf(40);
  const range = { since: timeAt(11), until: timeAt(20) };
  const text = await exportOf(entries, range);
  t.equal(entryLines(text).length, 12);
  t.match(await verify(text), {
    ok: true,
    extent: "range",
    complete: false,
    selection: range,
    firstSeq: 10,
    lastSeq: 21,
  });
  const narrower = await exportOf(entries, { since: timeAt(13), until: timeAt(20) });
  const shorter = await exportOf(entries, { since: timeAt(11), until: timeAt(18) });
  const within = await exportOf(entries, { ...range, actor: "watchd" });
  for (const less of [narrower, shorter, within]) {
    const claimed = less.replace(/^.*\n/, `${JSON.stringify({ selection: range })}\n`);
    t.match(await verify(claimed), { ok: false, firstBad: { reason: "left-out" } });
  }
});

t.test("a range is where the entries are, also when the clock was turned back", async (t) => {
  const seconds = (seq: number) => (seq > 10 && seq <= 15 ? seq - 10 : seq);
  const text = await exportOf(ledgerOf(30, seconds), { since: timeAt(8), until: timeAt(20) });
  t.match(await verify(text), { ok: true, firstSeq: 7, lastSeq: 21, clockSteps: 1 });
});

t.test("a selection of nothing is proven to come from the signed ledger", async (t) => {
  const text = await exportOf(ledgerOf(30), { actor: "nobody" });
  t.match(await verify(text), { ok: true, entries: 0, treeSize: 30, signed: 30, host: null });
});

t.test("whatever is done to a line of a selection, it no longer verifies", async (t) => {
  const text = await exportOf(ledgerOf(40), { actor: "operator" }, [20, 40]);
  const lines = text.split("\n").slice(0, -1);
  const good = await verify(text);
  t.match(good, { ok: true, entries: 5, extent: "selection" });
  for (const index of lines.keys()) {
    if (index > 0) {
      const without = lines.toSpliced(index, 1).map((line) => `${line}\n`);
      // A checkpoint in the middle may be missing: the last one is over everything.
      if (!lines[index]?.includes('"checkpoint"') || index === lines.length - 1) {
        t.notOk((await verify(without.join(""))).ok, `without line ${index + 1}`);
      }
      const swapped = lines.with(index, lines[index - 1] ?? "").with(index - 1, lines[index] ?? "");
      if (index > 1)
        t.notOk((await verify(`${swapped.join("\n")}\n`)).ok, `line ${index + 1} before the other`);
    }
    const line = lines[index] ?? "";
    for (const at of [2, 15, 40, 90, line.length - 5]) {
      const changed = Buffer.from(line);
      if (at >= changed.length || index === 0) continue;
      changed[at] = (changed[at] ?? 0) ^ 1;
      const verdict = await verify(`${lines.with(index, changed.toString("latin1")).join("\n")}\n`);
      t.notOk(verdict.ok, `line ${index + 1} changed at ${at}`);
    }
  }
});

t.test("a bad signature, another key, another host and a checkpoint out of place are named", async (t) => {
  const entries = ledgerOf(10);
  const text = await exportOf(entries, {}, [5, 10]);
  const other = makeSigner("daruma/etl-01", keyType.note, Buffer.alloc(32, 9));
  const withCheckpoint = (checkpoint: string) =>
    `${entries.map(({ line }) => `${line}\n`).join("")}${JSON.stringify({ checkpoint })}\n`;
  const { checkpoint } = checkpointOf(entries, 10);
  const root = checkpoint.split("\n")[2] ?? "";
  const text10 = parseNote(checkpoint)?.text ?? "";
  const withSignature = printNote({ text: text10, signatures: [signText(signer, "another text\n")] });
  const attempts: readonly (readonly [string, string, number])[] = [
    [text.replace("etl-01 ", "etl-01 A"), "bad-proof", 6],
    [
      withCheckpoint(
        signCheckpoint(other, { origin: "daruma/etl-01", size: 10, root: Buffer.from(root, "base64") }),
      ),
      "unsigned",
      1,
    ],
    [withCheckpoint(checkpointOf(entries, 9).checkpoint), "bad-proof", 11],
    [
      withCheckpoint(
        signCheckpoint(signer, { origin: "daruma/etl-02", size: 10, root: Buffer.from(root, "base64") }),
      ),
      "wrong-host",
      1,
    ],
    [
      withCheckpoint(signCheckpoint(signer, { origin: "daruma/etl-01", size: 10, root: Buffer.alloc(32) })),
      "wrong-root",
      1,
    ],
    [withCheckpoint(withSignature), "wrong-signature", 1],
    [text.split("\n").slice(0, -2).join("\n").concat("\n"), "truncated", 6],
    [withCheckpoint("nonsense"), "bad-proof", 11],
    [`{"selection":{}}\n{"selection":{}}\n${text}`, "bad-proof", 1],
    [text.replace("\n", '\n{"selection":{}}\n'), "bad-proof", 2],
    [`{"checkpoint":5}\n${text}`, "bad-proof", 1],
    [`{"gap":{"from":1,"to":4,"nodes":[]}}\n${text}`, "bad-proof", 1],
  ];
  for (const [bad, reason, seq] of attempts) {
    const { ok, firstBad } = await verify(bad);
    t.notOk(ok);
    t.match(firstBad, { reason }, bad.slice(-200));
    if (firstBad?.seq !== null) t.equal(firstBad?.seq, seq, reason);
  }
});

t.test("a witness's cosignature counts for those who have its key", async (t) => {
  const entries = ledgerOf(12);
  const note = parseNote(checkpointOf(entries, 8).checkpoint);
  if (note === null) throw new Error("not a note");
  const cosignature = signText(witness, note.text, 1_795_000_000);
  const cosigned = printNote({ ...note, signatures: [...note.signatures, cosignature] });
  const checkpoints = [{ size: 8, checkpoint: cosigned }, checkpointOf(entries, 12)];
  const writer = new ExportWriter({ selection: {}, checkpoints });
  let text = "";
  for await (const block of writer.blocks(iterate(entries))) text += block;
  const record = { verifiers: [witness.verifier], seen: [] };
  t.match(await verify(text, { key: signer.verifier, witness: record }), {
    ok: true,
    trustLevel: "witnessed",
    signed: 12,
    witnessed: 8,
    unwitnessed: 4,
    witnesses: [{ name: "witness.example", size: 8, time: "2026-11-18T11:06:40.000Z" }],
  });
  t.match(await verify(text), { trustLevel: "signed", witnessed: 0, unwitnessed: 12, witnesses: [] });
  const stranger = makeSigner("other.example", keyType.cosignature, Buffer.alloc(32, 3)).verifier;
  t.match(await verify(text, { key: null, witness: { verifiers: [stranger], seen: [] } }), {
    ok: false,
    firstBad: { reason: "unwitnessed" },
  });
});

t.test("the example in docs/ledger-format.md is a signed export", async (t) => {
  const page = await readFile(join(import.meta.dirname, "../../../docs/ledger-format.md"), "utf8");
  const lines = page.split("\n");
  const text = lines.filter((line) => /^\{"(action|checkpoint)":"(?!\u2026)/.test(line)).join("\n");
  const key = lines.map(parseVerifier).find((verifier) => verifier !== null) ?? null;
  t.match(await verify(`${text}\n`, { key, witness: null }), {
    ok: true,
    entries: 2,
    signed: 2,
    extent: "complete",
  });
  const [first = "", second = "", checkpoint = ""] = text.split("\n");
  for (const line of [first, second])
    t.ok(page.includes(leafHash(line).toString("hex")), "its leaf is given");
  t.ok(page.includes(JSON.parse(checkpoint).checkpoint), "the note is the one shown");
});
