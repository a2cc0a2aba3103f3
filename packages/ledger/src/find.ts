import type { Entry } from "./entry.ts";
import { type EntryFilter, isWithin } from "./filter.ts";
import { type LedgerDb, storeKeys } from "./level.ts";
import { type Candidates, type Cursor, cursorsOf } from "./posting-cursors.ts";
import { blockWidth } from "./postings.ts";

export interface FindRange {
  /** Only entries with a greater seq. */
  readonly after: number;
  /** The last one that counts; the index must cover it. */
  readonly last: number;
  /** How many at most: the newest. */
  readonly limit: number;
}

/**
 * The numbers of the entries that match, newest first, found in the index: blocks in which not every condition has something are
 * leapt over, and entries are read only where a time must be looked at.
 */
export async function findEntries(
  db: LedgerDb,
  filter: EntryFilter,
  { after, last, limit }: FindRange,
): Promise<readonly number[]> {
  if (last <= after) return [];
  const found: number[] = [];
  const newest = blockOf(last);
  const cursors = await cursorsOf(db, filter, newest);
  try {
    for (let block = newest; block >= blockOf(after + 1) && found.length < limit; block -= 1) {
      const common = await commonBlock(cursors, block);
      if (common.length === 0) break;
      block = common[0]?.block ?? 0;
      const seqs = placesIn(common)
        .map((place) => block * blockWidth + place + 1)
        .filter((seq) => seq > after && seq <= last);
      const unsure = common.some((candidates) => candidates.unsure);
      found.push(...(unsure ? await withinTime(db, seqs, filter) : seqs).toReversed());
    }
  } finally {
    for (const cursor of cursors) await cursor.close();
  }
  return found.slice(0, limit);
}

function blockOf(seq: number): number {
  return Math.floor((seq - 1) / blockWidth);
}

/** What each cursor has in the last block up to `to` in which all have something; none if there is no such block. */
async function commonBlock(cursors: readonly Cursor[], to: number): Promise<readonly Candidates[]> {
  for (let block = to; ; ) {
    const found: Candidates[] = [];
    for (const cursor of cursors) {
      const candidates = await cursor.back(block);
      if (candidates === null) return [];
      block = candidates.block;
      found.push(candidates);
    }
    if (found.every((candidates) => candidates.block === block)) return found;
  }
}

/** In ascending order, as those of each are. */
function placesIn(common: readonly Candidates[]): readonly number[] {
  const lists = common.map(({ places }) => places).filter((places) => places !== null);
  const [first, ...others] = lists.sort((a, b) => a.length - b.length);
  if (first === undefined) return Array.from({ length: blockWidth }, (_, place) => place);
  return [...first].filter((place) => others.every((places) => places.includes(place)));
}

async function withinTime(
  db: LedgerDb,
  seqs: readonly number[],
  filter: EntryFilter,
): Promise<readonly number[]> {
  const lines = await db.getMany(seqs.map(storeKeys.entry));
  return seqs.filter((_, index) => {
    const line = lines[index];
    return line !== undefined && isWithin((JSON.parse(line) as Entry).time, filter);
  });
}
