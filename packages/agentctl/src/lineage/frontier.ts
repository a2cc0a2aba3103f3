import type { DataEvent } from "./events.ts";

/** An event to go on from. */
export interface Work {
  readonly event: DataEvent;
  /** Activities between it and the root. */
  readonly depth: number;
}

/** What a walk has yet to go on from: each event once, nearest first. */
export class Frontier {
  readonly #queue: Work[] = [];
  readonly #seen = new Set<number>();

  add(event: DataEvent, depth: number): void {
    if (this.#seen.has(event.seq)) return;
    this.#seen.add(event.seq);
    this.#queue.push({ event, depth });
  }

  /** Goes on until nothing is left, also of what is added meanwhile. */
  async drain(goOn: (work: Work) => Promise<void>): Promise<void> {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) await goOn(next);
  }
}
