import type { LabelName } from "./filter.ts";
import { type LedgerDb, postingsOf, storeKeys } from "./level.ts";
import { blockWidth } from "./postings.ts";

/** A value of a label, and between which entries it occurs. */
export interface LabelValue {
  readonly value: string;
  readonly first: number;
  readonly last: number;
}

/** Blocks that are read at once. Each read costs as much as a hundred blocks do. */
const blocksAtOnce = 256;

/**
 * The values of a label that occur up to entry `last`, those with the newest entries first. Many values with few entries are read in
 * one go; what is left of one with many is leapt over. So it takes as long as there are values, however many entries they have.
 */
export async function findValues(
  db: LedgerDb,
  label: LabelName,
  last: number,
  limit: number,
): Promise<readonly LabelValue[]> {
  const begin = `index!${label}!`;
  const range = { gt: begin, lt: `index!${label}"`, valueEncoding: "buffer" } as const;
  const newest: { readonly value: string; readonly last: number }[] = [];
  await using backward = db.iterator<string, Buffer>({ ...range, reverse: true });
  const read = () => backward.nextv(blocksAtOnce);
  // What is read may be less than what there is: it has a limit of bytes too.
  for (let blocks = await read(); blocks.length > 0; blocks = await read()) {
    const before = newest.length;
    for (const block of blocks) {
      const value = block[0].slice(begin.length, block[0].lastIndexOf("\0"));
      if (value === newest.at(-1)?.value) continue;
      newest.push({ value, last: seqIn(block, postingsOf(label, value), -1) });
    }
    const current = newest.at(-1);
    if (current !== undefined && newest.length <= before + 1) backward.seek(postingsOf(label, current.value));
  }
  newest.sort((a, b) => b.last - a.last);
  const values: LabelValue[] = [];
  await using forward = db.iterator<string, Buffer>(range);
  for (const { value, last: seq } of newest) {
    if (values.length >= limit) break;
    forward.seek(storeKeys.posting(label, value, 0));
    const oldest = await forward.next();
    if (oldest === undefined) continue;
    const first = seqIn(oldest, postingsOf(label, value), 0);
    // What was appended since is for the next time.
    if (first <= last) values.push({ value, first, last: Math.min(last, seq) });
  }
  return values;
}

/** Of one of the places in a block of the index. */
function seqIn([key, places]: readonly [string, Buffer], prefix: string, which: 0 | -1): number {
  return Number.parseInt(key.slice(prefix.length), 16) * blockWidth + (places.at(which) ?? 0) + 1;
}
