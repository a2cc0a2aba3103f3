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

/** The blocks between which cursors look, both inclusive, and the way they go: 1 from the oldest on, -1 from the newest. */
export interface Course {
  readonly first: number;
  readonly last: number;
  readonly step: 1 | -1;
}

/** Goes through the blocks in which something is found. */
export interface Cursor {
  /** Of the next such block, number `from` included, which moves only in the cursor's direction from call to call. */
  next(from: number): Promise<Candidates | null>;
  close(): Promise<void>;
}

/** One cursor for each condition; a filter without any gets one that finds every block. */
export async function cursorsOf(db: LedgerDb, filter: EntryFilter, course: Course): Promise<Cursor[]> {
  const cursors: Cursor[] = [];
  for (const label of labelNames) {
    const value = filter[label];
    if (value === undefined) continue;
    const prefix = label === "action" ? actionPrefix(value) : null;
    if (prefix === null) cursors.push(new PostingCursor(db, label, value, course));
    else cursors.push(await AnyCursor.ofPrefix(db, label, prefix, course));
  }
  const isTimed = filter.since !== undefined || filter.until !== undefined;
  if (isTimed || cursors.length === 0) cursors.push(new TimeCursor(db, filter, course));
  return cursors;
}

class PostingCursor implements Cursor {
  readonly #prefix: string;
  readonly #keyOf: (block: number) => string;
  readonly #course: Course;
  readonly #iterator: ReturnType<typeof iterate>;
  /** Where it stands; `undefined` before the first one, `null` after the last. */
  #at: Candidates | null | undefined;

  constructor(db: LedgerDb, label: string, value: string, course: Course) {
    this.#prefix = postingsOf(label, value);
    this.#keyOf = (block) => storeKeys.posting(label, value, block);
    this.#course = course;
    this.#iterator = iterate(db, this.#keyOf(course.first), this.#keyOf(course.last), course.step === -1);
  }

  async next(from: number): Promise<Candidates | null> {
    if (this.#isBefore(from)) await this.#step();
    // What is near is read in one go with the one before; only what is far is worth a search.
    if (this.#isBefore(from)) {
      this.#iterator.seek(this.#keyOf(from));
      await this.#step();
    }
    return this.#at ?? null;
  }

  async close(): Promise<void> {
    await this.#iterator.close();
  }

  #isBefore(block: number): boolean {
    return this.#at === undefined || (this.#at !== null && (block - this.#at.block) * this.#course.step > 0);
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
  readonly #step: 1 | -1;

  constructor(cursors: readonly Cursor[], step: 1 | -1) {
    this.#cursors = cursors;
    this.#step = step;
  }

  /** A cursor for each value that begins so: the values are found by leaps over their blocks. */
  static async ofPrefix(db: LedgerDb, label: string, prefix: string, course: Course): Promise<AnyCursor> {
    const begin = `index!${label}!${prefix}`;
    const cursors: Cursor[] = [];
    const keys = db.keys({ gte: begin, lt: `index!${label}"` });
    try {
      for (let key = await keys.next(); key?.startsWith(begin) === true; key = await keys.next()) {
        const value = key.slice(`index!${label}!`.length, key.lastIndexOf("\0"));
        cursors.push(new PostingCursor(db, label, value, course));
        keys.seek(`index!${label}!${value}\u0001`);
      }
    } finally {
      await keys.close();
    }
    return new AnyCursor(cursors, course.step);
  }

  async next(from: number): Promise<Candidates | null> {
    let nearest: Candidates[] = [];
    for (const cursor of this.#cursors) {
      const candidates = await cursor.next(from);
      if (candidates === null) continue;
      const ahead = (candidates.block - (nearest[0]?.block ?? candidates.block)) * this.#step;
      if (ahead < 0) nearest = [candidates];
      else if (ahead === 0) nearest.push(candidates);
    }
    const block = nearest[0]?.block;
    if (block === undefined) return null;
    const places = new Set(nearest.flatMap((candidates) => [...(candidates.places ?? [])]));
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
  readonly #course: Course;
  /** The spans of the 256 blocks that share one of level 1; none if that one has nothing. */
  #group = -1;
  #spans: ReadonlyMap<number, Span> = new Map();

  constructor(db: LedgerDb, filter: EntryFilter, course: Course) {
    this.#db = db;
    this.#filter = filter;
    this.#course = course;
  }

  async next(from: number): Promise<Candidates | null> {
    const { first, last, step } = this.#course;
    for (let block = from; block >= first && block <= last; ) {
      const group = Math.floor(block / blockWidth);
      if (group !== this.#group) await this.#load(group);
      const span = this.#spans.get(block);
      if (span !== undefined && this.#touches(span)) {
        return { block, places: null, unsure: !this.#holds(span) };
      }
      if (this.#spans.size > 0) block += step;
      else block = step === 1 ? (group + 1) * blockWidth : group * blockWidth - 1;
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

function iterate(db: LedgerDb, from: string, to: string, reverse: boolean) {
  return db.iterator<string, Buffer>({ gte: from, lte: to, reverse, valueEncoding: "buffer" });
}
