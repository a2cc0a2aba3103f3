import type { DarumaError } from "@daruma/base";
import { ledgerErrors } from "./catalogue.ts";
import type { Entry } from "./entry.ts";
import { type LedgerDb, storeKeys } from "./level.ts";
import {
  blockWidth,
  IndexGrowth,
  type IndexOperation,
  indexForm,
  parseSpan,
  spanWidths,
  unionOf,
} from "./postings.ts";

/** Entries that are indexed in one batch after the fact: some 50 ms, in which no append is written. */
const entriesAtOnce = 16 * blockWidth;

/** Of entries that are read at once. */
const readBytes = 1024 * 1024;

/** Of the end of the index, when a store is opened. */
const blocksChecked = 4;

/** What a comparison of the index with the entries has found. */
export interface IndexComparison {
  readonly entries: number;
  /** Stored blocks that are missing, other than they should be, or of nothing. */
  readonly differences: number;
}

/** What is stored of how far the index goes. A release of another form takes it for no number, and makes its own index. */
const indexedOf = (size: number) => `${size} ${indexForm}`;
const claimPattern = new RegExp(`^(\\d{1,16}) ${indexForm}$`);

/** The batch operations that store what has grown, and how far the index goes with them. */
export function indexOperations(growth: IndexGrowth) {
  const indexed = { type: "put", key: storeKeys.indexed, value: indexedOf(growth.size) } as const;
  return [...growth.take(), indexed];
}

/** The index as a store was opened with it. */
export interface LoadedIndex {
  readonly growth: IndexGrowth;
  /** Why what was stored does not count, as a text to follow "the index"; `null` if it does, or if there was none. */
  readonly fault: string | null;
}

/**
 * The index as it is stored, as far as can be seen without reading everything: all its large spans have to be there, and its last
 * blocks have to be what the entries make them. Otherwise it counts as none, and is made anew.
 *
 * @throws LEDGER_E_DAMAGED
 */
export async function loadIndex(db: LedgerDb, headSeq: number, prunedSeq: number): Promise<LoadedIndex> {
  const claim = await db.get(storeKeys.indexed);
  if (/^\d+$/.test(claim ?? "")) return await none(db, prunedSeq, "is that of an older release");
  const [, covered] = claimPattern.exec(claim ?? indexedOf(0)) ?? [];
  const size = Number(covered);
  if (!Number.isSafeInteger(size) || size > headSeq) {
    return await none(db, prunedSeq, `claims to cover ${JSON.stringify(claim)} of ${headSeq} entries`);
  }
  if (size <= prunedSeq) return { growth: await growthAfter(db, prunedSeq), fault: null };
  const fault = (await missingSpans(db, size, prunedSeq)) ?? (await wrongTail(db, size, prunedSeq));
  if (fault !== null) return await none(db, prunedSeq, fault);
  const whole = size - (size % blockWidth);
  const inSpan = whole % spanWidths[1];
  const above = parseSpan(await db.get(storeKeys.span(1, Math.floor(whole / spanWidths[1]))));
  const growth = new IndexGrowth(whole, inSpan === 0 ? null : above);
  await addEntries(db, growth, size);
  growth.take();
  return { growth, fault: null };
}

async function none(db: LedgerDb, prunedSeq: number, fault: string): Promise<LoadedIndex> {
  return { growth: await growthAfter(db, prunedSeq), fault };
}

/** What the index of a ledger grows from: nothing, but where it was pruned the times that are left of what is gone. */
export async function growthAfter(db: LedgerDb, prunedSeq: number): Promise<IndexGrowth> {
  const [from, to] = [prunedSeq - (prunedSeq % spanWidths[1]), prunedSeq].map((seq) => seq / blockWidth);
  const range = { gte: storeKeys.span(0, from ?? 0), lt: storeKeys.span(0, to ?? 0) };
  const spans = (await db.values(range).all()).map(parseSpan).filter((span) => span !== null);
  return new IndexGrowth(prunedSeq, unionOf(spans));
}

/** All spans of level 1, and those of level 0 below the last one. */
async function missingSpans(db: LedgerDb, size: number, prunedSeq: number): Promise<string | null> {
  const last = Math.floor((size - 1) / spanWidths[1]);
  const firstBlock = Math.max(last * spanWidths[1], prunedSeq) / blockWidth;
  const blocks = { from: firstBlock, to: Math.floor((size - 1) / blockWidth) };
  const present = async (level: number, from: number, to: number) => {
    let count = 0;
    const range = { gte: storeKeys.span(level, from), lte: storeKeys.span(level, to) };
    for await (const text of db.values(range)) if (parseSpan(text) !== null) count += 1;
    return count === to - from + 1;
  };
  const whole =
    (await present(1, Math.floor(prunedSeq / spanWidths[1]), last)) &&
    (await present(0, blocks.from, blocks.to));
  return whole ? null : "has lost a part of its times";
}

/** The last blocks, made once more from their entries. */
async function wrongTail(db: LedgerDb, size: number, prunedSeq: number): Promise<string | null> {
  const open = size % blockWidth === 0 ? blockWidth : size % blockWidth;
  const from = Math.max(prunedSeq, size - open - (blocksChecked - 1) * blockWidth);
  const growth = new IndexGrowth(from, null);
  await addEntries(db, growth, size);
  // A span of level 1 is over entries from before as well.
  const operations = growth.take().filter(({ key }) => !key.startsWith(storeKeys.spanLevel(1)));
  const stored = await db.getMany<string, Buffer>(
    operations.map(({ key }) => key),
    { valueEncoding: "buffer" },
  );
  const wrong = operations.findIndex(({ value }, index) => stored[index]?.equals(value) !== true);
  return wrong === -1 ? null : `is not what the entries from ${from + 1} on make it`;
}

/**
 * Indexes the next entries that are not, in one batch. A crash loses at most that batch.
 *
 * @throws LEDGER_E_DAMAGED
 */
export async function indexNext(
  db: LedgerDb,
  growth: IndexGrowth,
  headSeq: number,
  prunedSeq: number,
): Promise<void> {
  if (growth.size === prunedSeq) await forgetIndex(db, prunedSeq);
  await addEntries(db, growth, Math.min(headSeq, growth.size + entriesAtOnce));
  await db.batch<string, string | Buffer>(indexOperations(growth), { sync: true });
}

/** First it no longer counts, then it goes: half an index is never taken for a whole one. */
export async function forgetIndex(db: LedgerDb, prunedSeq: number): Promise<void> {
  await db.batch([{ type: "put", key: storeKeys.indexed, value: indexedOf(0) }], { sync: true });
  for (const range of rangesAfter(prunedSeq)) await db.clear(range);
}

/** All keys of the index but the times of what was pruned, of which nothing could make them anew. */
function rangesAfter(prunedSeq: number) {
  const [blocks, groups] = spanWidths.map((width, level) => ({
    gte: storeKeys.span(level, Math.floor(prunedSeq / width)),
    lt: storeKeys.span(level, Number.MAX_SAFE_INTEGER),
  }));
  return [storeKeys.postings, blocks ?? {}, groups ?? {}];
}

/**
 * Makes the whole index once more from the entries, as both are at this moment, and compares it with what is stored.
 *
 * @throws LEDGER_E_DAMAGED
 */
export async function compareIndex(
  db: LedgerDb,
  headSeq: number,
  prunedSeq: number,
): Promise<IndexComparison> {
  const snapshot = db.snapshot();
  try {
    const growth = await growthAfter(db, prunedSeq);
    let known = 0;
    let wrong = 0;
    while (growth.size < headSeq) {
      await addEntries(db, growth, Math.min(headSeq, growth.size + entriesAtOnce));
      // Of a span that is still growing only the last state is stored.
      const operations = latest(growth.take(), growth.size === headSeq, growth.size);
      const keys = operations.map(({ key }) => key);
      const stored = await db.getMany<string, Buffer>(keys, { valueEncoding: "buffer", snapshot });
      known += stored.filter((value) => value !== undefined).length;
      wrong += operations.filter(({ value }, index) => stored[index]?.equals(value) !== true).length;
    }
    let present = 0;
    for (const range of rangesAfter(prunedSeq)) {
      for await (const _ of db.keys({ ...range, snapshot })) present += 1;
    }
    return { entries: headSeq, differences: wrong + present - known };
  } finally {
    await snapshot.close();
  }
}

/** The last operation of each key, and of the span of level 1 only once it is full or ends with the ledger. */
function latest(operations: readonly IndexOperation[], isEnd: boolean, size: number): IndexOperation[] {
  const byKey = new Map(operations.map((operation) => [operation.key, operation]));
  const open = storeKeys.span(1, Math.floor((size - 1) / spanWidths[1]));
  if (!isEnd && size % spanWidths[1] !== 0) byKey.delete(open);
  return [...byKey.values()];
}

/** Adds the stored entries up to number `last`. */
async function addEntries(db: LedgerDb, growth: IndexGrowth, last: number): Promise<void> {
  const range = { gt: storeKeys.entry(growth.size), lte: storeKeys.entry(last), fillCache: false } as const;
  await using iterator = db.iterator({ ...range, highWaterMarkBytes: readBytes });
  while (growth.size < last) {
    const lines = await iterator.nextv(blockWidth);
    if (lines.length === 0) throw missing(db, growth.size + 1);
    for (const [key, line] of lines) {
      const seq = growth.size + 1;
      const entry = parseEntry(line);
      if (key !== storeKeys.entry(seq) || entry?.seq !== seq) throw missing(db, seq);
      growth.add({ seq, time: entry.time, labels: entry });
    }
  }
}

function parseEntry(line: string): Entry | null {
  try {
    return JSON.parse(line) as Entry;
  } catch {
    return null;
  }
}

function missing(db: LedgerDb, seq: number): DarumaError {
  const message = `entry ${seq} is missing or not readable in ${db.location}`;
  return ledgerErrors.make("LEDGER_E_DAMAGED", message, { where: db.location });
}
