import type { EntryLabels } from "./entry.ts";
import { type LabelName, labelNames } from "./filter.ts";
import { storeKeys } from "./level.ts";

/*
 * The index is made of blocks of 256 entries. For each value of each label that occurs in a block it holds which entries of
 * the block those are; for each block, and each 256 of them, between which times its entries lie; and of some labels which of
 * their values occur in a block, so that the newest are found without looking at all. So its bytes follow from the entries alone, however they were grouped when they were written: it can be compared and made anew. A clock that steps back
 * only makes a span wider.
 */

/** Entries in a block: their places in it fit one byte. */
export const blockWidth = 256;

/** Entries under a span of each level. */
export const spanWidths: readonly [number, number] = [blockWidth, blockWidth * blockWidth];

/** Changes with what is stored of an index. One of another form is made anew. */
export const indexForm = 2;

/** Labels of which people ask for the newest values, and of which there are more and more. */
export const recentLabels: ReadonlySet<string> = new Set(["incident"] satisfies readonly LabelName[]);

/** Between which times some entries lie, both inclusive. */
export interface Span {
  readonly from: string;
  readonly to: string;
}

export interface Indexable {
  readonly seq: number;
  readonly time: string;
  readonly labels: EntryLabels;
}

export interface IndexOperation {
  readonly type: "put";
  readonly key: string;
  readonly value: Buffer;
  readonly valueEncoding: "buffer";
}

/**
 * Turns entries, in their order, into what is to be stored of the index. It changes with every entry, and so is of no use once
 * a write has failed; the store is then opened again, and makes another.
 */
export class IndexGrowth {
  #size: number;
  /** By label and value: the places of its entries in the block that is being filled. */
  #places = new Map<string, Places>();
  #changed = new Set<Places>();
  readonly #spans: [Span | null, Span | null];
  #finished: IndexOperation[] = [];

  /**
   * @param size entries that are indexed already, a multiple of 256
   * @param span of those of them that share a span of level 1 with the next one
   */
  constructor(size: number, span: Span | null) {
    this.#size = size;
    this.#spans = [null, span];
  }

  /** How many entries are indexed. */
  get size(): number {
    return this.#size;
  }

  add({ seq, time, labels }: Indexable): void {
    for (const label of labelNames) {
      const value = labels[label];
      if (value !== undefined) this.#place(label, value, (seq - 1) % blockWidth);
    }
    this.#spans[0] = widened(this.#spans[0], time);
    this.#spans[1] = widened(this.#spans[1], time);
    this.#size = seq;
    if (seq % blockWidth !== 0) return;
    this.#store();
    this.#places.clear();
    this.#spans[0] = null;
    if (seq % spanWidths[1] === 0) this.#spans[1] = null;
  }

  /** What has changed since the last time. */
  take(): readonly IndexOperation[] {
    if (this.#size % blockWidth !== 0) this.#store();
    const operations = this.#finished;
    this.#finished = [];
    return operations;
  }

  #place(label: string, value: string, place: number): void {
    const name = `${label}!${value}`;
    let places = this.#places.get(name);
    if (places === undefined) {
      places = { label, value, all: [] };
      this.#places.set(name, places);
    }
    places.all.push(place);
    this.#changed.add(places);
  }

  #recent(label: string, block: number): IndexOperation {
    const values = [...this.#places.values()]
      .filter((places) => places.label === label)
      .sort((a, b) => (b.all.at(-1) ?? 0) - (a.all.at(-1) ?? 0))
      .map(({ value }) => value);
    return put(storeKeys.recent(label, block), Buffer.from(values.join("\n")));
  }

  #store(): void {
    const block = Math.floor((this.#size - 1) / blockWidth);
    for (const { label, value, all } of this.#changed) {
      this.#finished.push(put(storeKeys.posting(label, value, block), Buffer.from(all)));
    }
    for (const label of new Set([...this.#changed].map((places) => places.label))) {
      if (recentLabels.has(label)) this.#finished.push(this.#recent(label, block));
    }
    this.#changed.clear();
    for (const [level, span] of this.#spans.entries()) {
      if (span === null) continue;
      const index = Math.floor((this.#size - 1) / (spanWidths[level] ?? blockWidth));
      this.#finished.push(put(storeKeys.span(level, index), Buffer.from(`${span.from} ${span.to}`)));
    }
  }
}

/** The values of a label that are stored for a block. */
export function parseRecent(bytes: Buffer): readonly string[] {
  return bytes.toString("utf8").split("\n");
}

/** A span as it is stored; `null` if it is none. */
export function parseSpan(text: string | undefined): Span | null {
  const [from, to, ...rest] = (text ?? "").split(" ");
  return from === undefined || to === undefined || rest.length > 0 ? null : { from, to };
}

interface Places {
  readonly label: string;
  readonly value: string;
  readonly all: number[];
}

/** From the earliest to the latest of all; `null` of none. */
export function unionOf(spans: readonly Span[]): Span | null {
  return spans.reduce<Span | null>((all, { from, to }) => widened(widened(all, from), to), null);
}

function widened(span: Span | null, time: string): Span {
  if (span === null) return { from: time, to: time };
  if (time >= span.from && time <= span.to) return span;
  return { from: time < span.from ? time : span.from, to: time > span.to ? time : span.to };
}

function put(key: string, value: Buffer): IndexOperation {
  return { type: "put", key, value, valueEncoding: "buffer" };
}
