import { actionPrefix, type EntryFilter, labelNames } from "./filter.ts";
import { type LedgerDb, postingsOf, storeKeys } from "./level.ts";
import { blockWidth, parseSpan, type Span } from "./postings.ts";

/** Entries of one block that may match. */
export interface Candidates {
  readonly block: number;
  /** Their places in it; `null` for all of them. */
  readonly places: Uint8Array | null;
  /** Whether their times must be looked at one by one. */
  readonly unsure: boolean;
}

/** Goes back through the blocks in which something is found, from the newest on. */
export interface Cursor {
  /** Of the last such block up to number `to`, which never grows from call to call. */
  back(to: number): Promise<Candidates | null>;
  close(): Promise<void>;
}

/** One cursor for each condition; a filter without any gets one that finds every block. */
export async function cursorsOf(db: LedgerDb, filter: EntryFilter, blocks: number): Promise<Cursor[]> {
  const cursors: Cursor[] = [];
  for (const label of labelNames) {
    const value = filter[label];
    if (value === undefined) continue;
    const prefix = label === "action" ? actionPrefix(value) : null;
    if (prefix === null) cursors.push(new PostingCursor(db, label, value, blocks));
    else cursors.push(await AnyCursor.ofPrefix(db, label, prefix, blocks));
  }
  const isTimed = filter.since !== undefined || filter.until !== undefined;
  if (isTimed || cursors.length === 0) cursors.push(new TimeCursor(db, filter));
  return cursors;
}

class PostingCursor implements Cursor {
  readonly #prefix: string;
  readonly #iterator: ReturnType<typeof iterate>;
  /** Where it stands; `undefined` before the first one, `null` after the last. */
  #at: Candidates | null | undefined;

  constructor(db: LedgerDb, label: string, value: string, blocks: number) {
    this.#prefix = postingsOf(label, value);
    const block = (number: number) => storeKeys.posting(label, value, number);
    this.#iterator = iterate(db, block(0), block(blocks));
  }

  async back(to: number): Promise<Candidates | null> {
    if (this.#isDue(to)) await this.#step();
    // What is near is read in one go with the one before; only what is far is worth a search.
    if (this.#isDue(to)) {
      this.#iterator.seek(`${this.#prefix}${to.toString(16).padStart(14, "0")}`);
      await this.#step();
    }
    return this.#at ?? null;
  }

  async close(): Promise<void> {
    await this.#iterator.close();
  }

  #isDue(to: number): boolean {
    return this.#at === undefined || (this.#at !== null && this.#at.block > to);
  }

  async #step(): Promise<void> {
    const next = await this.#iterator.next();
    if (next === undefined) this.#at = null;
    else {
      const block = Number.parseInt(next[0].slice(this.#prefix.length), 16);
      this.#at = { block, places: next[1], unsure: false };
    }
  }
}

/** Finds what any of several cursors finds. */
class AnyCursor implements Cursor {
  readonly #cursors: readonly Cursor[];

  constructor(cursors: readonly Cursor[]) {
    this.#cursors = cursors;
  }

  /** A cursor for each value that begins so: the values are found by leaps over their blocks. */
  static async ofPrefix(db: LedgerDb, label: string, prefix: string, blocks: number): Promise<AnyCursor> {
    const begin = `index!${label}!${prefix}`;
    const cursors: Cursor[] = [];
    const keys = db.keys({ gte: begin, lt: `index!${label}"` });
    try {
      for (let key = await keys.next(); key?.startsWith(begin) === true; key = await keys.next()) {
        const value = key.slice(`index!${label}!`.length, key.lastIndexOf("\0"));
        cursors.push(new PostingCursor(db, label, value, blocks));
        keys.seek(`index!${label}!${value}\u0001`);
      }
    } finally {
      await keys.close();
    }
    return new AnyCursor(cursors);
  }

  async back(to: number): Promise<Candidates | null> {
    const found: Candidates[] = [];
    for (const cursor of this.#cursors) {
      const candidates = await cursor.back(to);
      if (candidates !== null) found.push(candidates);
    }
    const block = Math.max(-1, ...found.map((candidates) => candidates.block));
    const here = found.filter((candidates) => candidates.block === block);
    if (here.length === 0) return null;
    const places = new Set(here.flatMap((candidates) => [...(candidates.places ?? [])]));
    return { block, places: Uint8Array.from(places).sort(), unsure: false };
  }

  async close(): Promise<void> {
    for (const cursor of this.#cursors) await cursor.close();
  }
}

/** Finds the blocks that have entries of a time, by their spans. */
class TimeCursor implements Cursor {
  readonly #db: LedgerDb;
  readonly #filter: EntryFilter;
  /** The spans of the 256 blocks that share one of level 1; none if that one has nothing. */
  #group = -1;
  #spans: ReadonlyMap<number, Span> = new Map();

  constructor(db: LedgerDb, filter: EntryFilter) {
    this.#db = db;
    this.#filter = filter;
  }

  async back(to: number): Promise<Candidates | null> {
    for (let block = to; block >= 0; block -= 1) {
      const group = Math.floor(block / blockWidth);
      if (group !== this.#group) await this.#load(group);
      if (this.#spans.size === 0) {
        block = group * blockWidth;
        continue;
      }
      const span = this.#spans.get(block);
      if (span !== undefined && this.#touches(span))
        return { block, places: null, unsure: !this.#holds(span) };
    }
    return null;
  }

  async close(): Promise<void> {}

  async #load(group: number): Promise<void> {
    this.#group = group;
    this.#spans = new Map();
    const above = parseSpan(await this.#db.get(storeKeys.span(1, group)));
    if (above === null || !this.#touches(above)) return;
    const first = group * blockWidth;
    const range = { gte: storeKeys.span(0, first), lt: storeKeys.span(0, first + blockWidth) };
    const spans = new Map<number, Span>();
    for await (const [key, text] of this.#db.iterator(range)) {
      const span = parseSpan(text);
      if (span !== null) spans.set(Number.parseInt(key.slice(key.lastIndexOf("!") + 1), 16), span);
    }
    this.#spans = spans;
  }

  #touches({ from, to }: Span): boolean {
    const { since, until } = this.#filter;
    return (since === undefined || to >= since) && (until === undefined || from <= until);
  }

  #holds({ from, to }: Span): boolean {
    const { since, until } = this.#filter;
    return (since === undefined || from >= since) && (until === undefined || to <= until);
  }
}

function iterate(db: LedgerDb, from: string, to: string) {
  return db.iterator<string, Buffer>({ gte: from, lte: to, reverse: true, valueEncoding: "buffer" });
}
