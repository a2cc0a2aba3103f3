import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { character } from "@daruma/base/test-support";
import fc from "fast-check";
import t from "tap";
import { countRecords, DatasetError, hashDataset, type ReadOptions, readBatches } from "../etl/extract.ts";

interface Read {
  readonly records: unknown[];
  readonly ends: number[];
  readonly sizes: number[];
}

async function readAll(file: string, options: ReadOptions): Promise<Read> {
  const read: Read = { records: [], ends: [], sizes: [] };
  for await (const batch of readBatches(file, options)) {
    read.records.push(...batch.records);
    read.ends.push(batch.end);
    read.sizes.push(batch.records.length);
  }
  return read;
}

const rows = fc.integer({ min: 1, max: 4 });
const chunkBytes = fc.integer({ min: 1, max: 40 });
const arrayText = fc
  .tuple(
    fc.array(fc.jsonValue({ maxDepth: 3, stringUnit: character }), { maxLength: 8 }),
    fc.constantFrom(0, 2, "\t"),
  )
  .map(([value, indent]) => JSON.stringify(value, null, indent));

t.test("batches hold the records of the array, wherever chunks and batches end", async (t) => {
  const file = join(t.testdir(), "data.json");
  await fc.assert(
    fc.asyncProperty(arrayText, rows, chunkBytes, async (text, rows, chunkBytes) => {
      writeFileSync(file, text);
      const expected: unknown[] = JSON.parse(text);
      const read = await readAll(file, { from: 0, rows, chunkBytes });
      t.same(read.records, expected);
      t.ok(read.sizes.slice(0, -1).every((size) => size === rows));
      t.equal(await countRecords(file), expected.length);
    }),
    { numRuns: 150 },
  );
});

t.test("reading goes on from the end of any batch as if it had never stopped", async (t) => {
  const file = join(t.testdir(), "data.json");
  await fc.assert(
    fc.asyncProperty(arrayText, rows, rows, async (text, rows, rowsAfter) => {
      writeFileSync(file, text);
      const expected: unknown[] = JSON.parse(text);
      const { ends } = await readAll(file, { from: 0, rows });
      for (const [index, from] of ends.entries()) {
        const rest = await readAll(file, { from, rows: rowsAfter });
        t.same(rest.records, expected.slice((index + 1) * rows));
      }
    }),
    { numRuns: 50 },
  );
});

t.test("a text is read exactly when it is a JSON array", async (t) => {
  const file = join(t.testdir(), "data.json");
  const noise = fc.constantFrom("", ",", "[", "]", "{", "}", '"', "\\", " ", "0", "\n", "x");
  const damaged = fc.tuple(arrayText, fc.nat(), fc.nat({ max: 2 }), noise).map(([text, at, cut, add]) => {
    const position = at % (text.length + 1);
    return text.slice(0, position) + add + text.slice(position + cut);
  });
  await fc.assert(
    fc.asyncProperty(damaged, async (text) => {
      writeFileSync(file, text);
      const expected = arrayOrNull(text.toWellFormed());
      const reading = readAll(file, { from: 0, rows: 3 });
      if (expected === null) await t.rejects(reading, DatasetError);
      else t.same((await reading).records, expected);
    }),
    { numRuns: 300 },
  );
});

t.test("a file that breaks off, is no array, or is not UTF-8 is refused", async (t) => {
  const file = join(t.testdir(), "data.json");
  for (const text of ["", "[", '[{"a":1}', '[{"a":1},', "{}", "[1]]", "[,1]", "[1,]", "\uFEFF[1]"]) {
    writeFileSync(file, text);
    await t.rejects(readAll(file, { from: 0, rows: 10 }), DatasetError, JSON.stringify(text));
  }
  writeFileSync(file, Buffer.from([0x5b, 0x22, 0xff, 0x22, 0x5d]));
  await t.rejects(readAll(file, { from: 0, rows: 10 }), DatasetError);
});

t.test("a file that is not there is an error of the data set", async (t) => {
  const file = join(t.testdir(), "none.json");
  await t.rejects(countRecords(file), DatasetError);
  await t.rejects(hashDataset(file), DatasetError);
  await t.rejects(readAll(file, { from: 0, rows: 1 }), DatasetError);
});

t.test("the hash of the data set is its SHA-256", async (t) => {
  const file = join(t.testdir({ "data.json": "[1]" }), "data.json");
  t.equal(await hashDataset(file), createHash("sha256").update("[1]").digest("hex"));
});

function arrayOrNull(text: string): unknown[] | null {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}
