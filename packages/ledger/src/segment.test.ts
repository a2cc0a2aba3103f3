import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import t from "tap";
import { parseCheckpoint, signCheckpoint } from "./checkpoint.ts";
import { readEntry } from "./entry.ts";
import { ExportWriter } from "./export.ts";
import { Frontier, leafHash } from "./merkle.ts";
import type { StoredEntry } from "./reader.ts";
import { readSegment } from "./segment.ts";
import { keyType, makeSigner } from "./signed-note.ts";
import { chainOf, temporaryDirectory } from "./test-support.ts";
import type { Trust } from "./trust.ts";
import type { Verification } from "./verification.ts";
import { verifyExport } from "./verify-export.ts";
import { type BlockChecker, verifyLines } from "./verify-lines.ts";
import { VerifyPool } from "./verify-pool.ts";

const signer = makeSigner("daruma/etl-01", keyType.note, Buffer.alloc(32, 1));
const chain = chainOf(120);
const entries = chain.map(({ line }): StoredEntry => {
  const { entry } = readEntry(line);
  if (entry === null) throw new Error("not an entry");
  return { line, entry };
});

function checkpoint(size: number): string {
  const frontier = new Frontier();
  for (const { line } of chain.slice(0, size)) frontier.push(leafHash(line));
  return signCheckpoint(signer, { origin: "daruma/etl-01", size, root: frontier.root() });
}

async function* iterate<T>(values: readonly T[]): AsyncGenerator<T, void, undefined> {
  yield* values;
}

function inPieces(bytes: Buffer, size: number): readonly Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
    bytes.subarray(index * size, (index + 1) * size),
  );
}

/** What the workers do, here. */
const here = (depth: number): BlockChecker => ({
  depth,
  check: async (block) => readSegment(Buffer.from(block)),
});

const seen = parseCheckpoint(checkpoint(77));
if (seen === null) throw new Error("not a checkpoint");
const trusts: readonly Trust[] = [
  { key: null, witness: null },
  { key: signer.verifier, witness: { verifiers: [], seen: [seen] } },
];

async function exportOf(subject: string | undefined, sizes: readonly number[]): Promise<Buffer> {
  const checkpoints = sizes.map((size) => ({ size, checkpoint: checkpoint(size) }));
  const selection = subject === undefined ? {} : { subject };
  let text = "";
  for await (const block of new ExportWriter({ selection, checkpoints }).blocks(iterate(entries)))
    text += block;
  return Buffer.from(text);
}

t.test("block by block or line by line, good or bad, the verdict is the same", async () => {
  const whole = await exportOf(undefined, [30, 77, 120]);
  const forms = [whole, await exportOf("agent/enricher", [120]), await exportOf("nothing", [60, 120])];
  const plain = Buffer.from(chain.map(({ line }) => `${line}\n`).join(""));
  forms.push(plain, plain.subarray(plain.indexOf("\n") + 1), plain.subarray(0, -1), Buffer.alloc(0));
  const verify = (
    bytes: Buffer,
    size: number,
    trust?: Trust,
    checker?: BlockChecker,
  ): Promise<Verification> => verifyLines(iterate(inPieces(bytes, size)), trust, checker);
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...forms),
      fc.constantFrom(...trusts),
      fc.integer({ min: 50, max: 30_000 }),
      fc.integer({ min: 1, max: 5 }),
      fc.option(fc.record({ at: fc.nat(), byte: fc.nat(255), cut: fc.nat(2000) })),
      async (form, trust, size, depth, damage) => {
        const bytes = Buffer.from(form);
        if (damage !== null && bytes.length > 0) bytes[damage.at % bytes.length] = damage.byte;
        const from = damage === null ? 0 : damage.at % (bytes.length + 1);
        const cut =
          damage === null || damage.cut > 1000
            ? bytes
            : Buffer.concat([bytes.subarray(0, from), bytes.subarray(from + damage.cut)]);
        const byLine = await verify(cut, size, trust);
        const byBlock = await verify(cut, size, trust, here(depth));
        return JSON.stringify(byLine) === JSON.stringify(byBlock);
      },
    ),
    { numRuns: 120 },
  );
});

t.test("a segment is only what is good and follows itself", async (t) => {
  const lines = chain.slice(10, 20).map(({ line }) => `${line}\n`);
  const text = lines.join("");
  t.match(readSegment(Buffer.from(text)), {
    entries: 10,
    first: { seq: 11 },
    last: { seq: 20 },
    clockSteps: 0,
  });
  const other = chainOf(20, "etl-02")[15]?.line ?? "";
  for (const bad of [
    "",
    text.slice(0, -1),
    lines.toSpliced(3, 1).join(""),
    lines.with(5, `${other}\n`).join(""),
    text.replace("enricher", "Enricher"),
    `${text}{"checkpoint":"x"}\n`,
    `${text}\n`,
  ]) {
    t.equal(readSegment(Buffer.from(bad)), null);
  }
});

t.test("worker threads come to the same verdict, and a failing one to none", async (t) => {
  const pool = new VerifyPool(2);
  const block = Buffer.from(chain.map(({ line }) => `${line}\n`).join(""));
  t.same(await pool.check(block), readSegment(block));
  t.equal(await pool.check(Buffer.from("garbage\n")), null);
  const pending = pool.check(block);
  await pool.close();
  t.ok([null, 120].includes((await pending)?.entries ?? null));
  t.equal(await pool.check(block), null);
});

t.test("a large export is verified by several threads, and a bad line in it is named", async (t) => {
  const file = join(await temporaryDirectory(t), "export.jsonl");
  const large = chainOf(20_000);
  await writeFile(file, large.map(({ line }) => `${line}\n`).join(""));
  t.match(await verifyExport(file), {
    ok: true,
    entries: 20_000,
    headHash: large.at(-1)?.hash,
    treeSize: 20_000,
  });
  const bytes = await readFile(file);
  const at = bytes.lastIndexOf('"seq":15000,"subject":"agent/e');
  bytes[at + 30] = 0x58;
  await writeFile(file, bytes);
  t.match(await verifyExport(file), {
    ok: false,
    entries: 14_999,
    firstBad: { seq: 15_000, line: 15_000, reason: "wrong-hash" },
  });
});
