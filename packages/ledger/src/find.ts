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
  /** How many at most. */
  readonly limit: number;
  /** Which of them, and so in which order they come. */
  readonly begin: "oldest" | "newest";
}

/**
 * The numbers of the entries that match, found in the index: blocks in which not every condition has something are leapt over, and
 * entries are read only where a time must be looked at.
 */
export async function findEntries(
  db: LedgerDb,
  filter: EntryFilter,
  { after, last, limit, begin }: FindRange,
): Promise<readonly number[]> {
  if (last <= after || limit <= 0) return [];
  const step = begin === "oldest" ? 1 : -1;
  const course = { first: blockOf(after + 1), last: blockOf(last), step } as const;
  const found: number[] = [];
  const cursors = await cursorsOf(db, filter, course);
  try {
    let block = step === 1 ? course.first : course.last;
    for (; found.length < limit && block >= course.first && block <= course.last; block += step) {
      const common = await commonBlock(cursors, block);
      if (common.length === 0) break;
      block = common[0]?.block ?? block;
      const here = block * blockWidth;
      const seqs = placesIn(common)
        .map((place) => here + place + 1)
        .filter((seq) => seq > after && seq <= last);
      const unsure = common.some((candidates) => candidates.unsure);
      const matching = unsure ? await withinTime(db, seqs, filter) : seqs;
      found.push(...(step === 1 ? matching : matching.toReversed()));
    }
  } finally {
    for (const cursor of cursors) await cursor.close();
  }
  return found.slice(0, limit);
}

function blockOf(seq: number): number {
  return Math.floor((seq - 1) / blockWidth);
}

/** What each cursor has in the next block from `from` on in which all have something; none if there is no such block. */
async function commonBlock(cursors: readonly Cursor[], from: number): Promise<readonly Candidates[]> {
  for (let block = from; ; ) {
    const found: Candidates[] = [];
    for (const cursor of cursors) {
      const candidates = await cursor.next(block);
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
