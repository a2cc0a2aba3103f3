import type { LabelName } from "./filter.ts";
import { type LedgerDb, postingsOf, storeKeys } from "./level.ts";
import { blockWidth } from "./postings.ts";

/** A value of a label, and between which entries it occurs. */
export interface LabelValue {
  readonly value: string;
  readonly first: number;
  readonly last: number;
}

/**
 * The values of a label that occur up to entry `last`, those with the newest entries first. Found by leaps from value to value: it
 * takes as long as there are values, however many entries they have.
 */
export async function findValues(
  db: LedgerDb,
  label: LabelName,
  last: number,
  limit: number,
): Promise<readonly LabelValue[]> {
  const begin = `index!${label}!`;
  const range = { gt: begin, lt: `index!${label}"`, valueEncoding: "buffer" } as const;
  const forward = db.iterator<string, Buffer>(range);
  const backward = db.iterator<string, Buffer>({ ...range, reverse: true });
  const values: LabelValue[] = [];
  try {
    for (let oldest = await forward.next(); oldest !== undefined; oldest = await forward.next()) {
      const value = oldest[0].slice(begin.length, oldest[0].lastIndexOf("\0"));
      const end = storeKeys.posting(label, value, Number.MAX_SAFE_INTEGER);
      backward.seek(end);
      const newest = (await backward.next()) ?? oldest;
      const prefix = postingsOf(label, value);
      const first = seqIn(oldest, prefix, 0);
      // What was appended since is for the next time.
      if (first <= last) values.push({ value, first, last: Math.min(last, seqIn(newest, prefix, -1)) });
      forward.seek(end);
    }
  } finally {
    await forward.close();
    await backward.close();
  }
  return values.sort((a, b) => b.last - a.last).slice(0, limit);
}

/** Of one of the places in a block of the index. */
function seqIn([key, places]: readonly [string, Buffer], prefix: string, which: 0 | -1): number {
  return Number.parseInt(key.slice(prefix.length), 16) * blockWidth + (places.at(which) ?? 0) + 1;
}
