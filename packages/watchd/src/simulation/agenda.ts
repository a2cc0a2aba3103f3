interface Entry {
  readonly at: number;
  readonly order: number;
  readonly happen: () => void;
}

/** What will happen when; a binary heap. Things due at the same instant happen in the order they were planned. */
export class Agenda {
  #heap: Entry[] = [];
  #order = 0;

  plan(at: number, happen: () => void): void {
    const entry = { at, order: this.#order, happen };
    this.#order += 1;
    this.#heap.push(entry);
    this.#rise(this.#heap.length - 1);
  }

  /** The next thing, taken off; null when nothing will ever happen again. */
  take(): { readonly at: number; readonly happen: () => void } | null {
    const first = this.#heap[0];
    const last = this.#heap.pop();
    if (first === undefined || last === undefined) return null;
    if (this.#heap.length > 0) {
      this.#heap[0] = last;
      this.#sink();
    }
    return first;
  }

  #rise(from: number): void {
    const heap = this.#heap;
    let at = from;
    const entry = heap[at];
    if (entry === undefined) return;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || before(above, entry)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = entry;
  }

  #sink(): void {
    const heap = this.#heap;
    const entry = heap[0];
    if (entry === undefined) return;
    let at = 0;
    for (;;) {
      const left = heap[2 * at + 1];
      const right = heap[2 * at + 2];
      if (left === undefined) break;
      const child = right !== undefined && before(right, left) ? 2 * at + 2 : 2 * at + 1;
      const least = heap[child];
      if (least === undefined || before(entry, least)) break;
      heap[at] = least;
      at = child;
    }
    heap[at] = entry;
  }
}

function before(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
