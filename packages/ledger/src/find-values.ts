import type { LabelName } from "./filter.ts";
import { type LedgerDb, postingsOf, recentOf, storeKeys } from "./level.ts";
import { blockWidth, parseRecent, recentLabels } from "./postings.ts";

/** A value of a label, and between which entries it occurs. */
export interface LabelValue {
  readonly value: string;
  readonly first: number;
  readonly last: number;
}

/** Blocks that are read at once. Each read costs as much as a hundred blocks do. */
const blocksAtOnce = 256;
/** Of those that tell the newest values, most of which nobody asks for. */
const recentAtOnce = 32;
/** Values whose first entry is looked up at the same time. */
const valuesAtOnce = 64;

interface Newest {
  readonly value: string;
  readonly last: number;
}

/** The values of a label that occur up to entry `last`, those with the newest entries first. */
export async function findValues(
  db: LedgerDb,
  label: LabelName,
  last: number,
  limit: number,
): Promise<readonly LabelValue[]> {
  const newest = recentLabels.has(label) ? recentFirst(db, label) : allValues(db, label);
  const values: LabelValue[] = [];
  for await (const some of newest) {
    for (let from = 0; from < some.length && values.length < limit; from += valuesAtOnce) {
      const next = some.slice(from, from + Math.min(valuesAtOnce, limit - values.length));
      const firsts = await Promise.all(next.map(({ value }) => firstOf(db, label, value)));
      for (const [index, { value, last: seq }] of next.entries()) {
        const first = firsts[index] ?? null;
        // What was appended since is for the next time.
        if (first !== null && first <= last) values.push({ value, first, last: Math.min(last, seq) });
      }
    }
    if (values.length >= limit) break;
  }
  return values;
}

async function firstOf(db: LedgerDb, label: LabelName, value: string): Promise<number | null> {
  const range = { gte: storeKeys.posting(label, value, 0), lt: rangeOf(label).lt, limit: 1 };
  const [oldest] = await db.iterator<string, Buffer>({ ...range, valueEncoding: "buffer" }).all();
  return oldest === undefined ? null : seqIn(oldest, postingsOf(label, value), 0);
}

/** From block to block, the newest first: as long as it is asked for more, and no longer. */
async function* recentFirst(
  db: LedgerDb,
  label: LabelName,
): AsyncGenerator<readonly Newest[], void, undefined> {
  const prefix = recentOf(label);
  const seen = new Set<string>();
  const range = { gt: prefix, lt: `${prefix}g`, reverse: true, valueEncoding: "buffer" } as const;
  await using iterator = db.iterator<string, Buffer>(range);
  const read = () => iterator.nextv(recentAtOnce);
  for (let blocks = await read(); blocks.length > 0; blocks = await read()) {
    const found: { readonly value: string; readonly block: number }[] = [];
    for (const [key, bytes] of blocks) {
      const block = Number.parseInt(key.slice(prefix.length), 16);
      for (const value of parseRecent(bytes)) {
        if (!seen.has(value)) found.push({ value, block });
        seen.add(value);
      }
    }
    const keys = found.map(({ value, block }) => storeKeys.posting(label, value, block));
    const places = await db.getMany<string, Buffer>(keys, { valueEncoding: "buffer" });
    yield found.flatMap(({ value, block }, index) => {
      const place = places[index]?.at(-1);
      return place === undefined ? [] : [{ value, last: block * blockWidth + place + 1 }];
    });
  }
}

/**
 * Many values with few entries are read in one go; what is left of one with many is leapt over. So it takes as long as there are
 * values, however many entries they have.
 */
async function* allValues(
  db: LedgerDb,
  label: LabelName,
): AsyncGenerator<readonly Newest[], void, undefined> {
  const { gt: begin } = rangeOf(label);
  const newest: Newest[] = [];
  await using backward = db.iterator<string, Buffer>({
    ...rangeOf(label),
    valueEncoding: "buffer",
    reverse: true,
  });
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
  yield newest.sort((a, b) => b.last - a.last);
}

function rangeOf(label: LabelName) {
  const begin = `index!${label}!`;
  return { gt: begin, lt: `index!${label}"` };
}

/** Of one of the places in a block of the index. */
function seqIn([key, places]: readonly [string, Buffer], prefix: string, which: 0 | -1): number {
  return Number.parseInt(key.slice(prefix.length), 16) * blockWidth + (places.at(which) ?? 0) + 1;
}
