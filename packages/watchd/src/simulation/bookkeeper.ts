import type { LedgerRecord } from "../policy/events.ts";
import type { State } from "../policy/state.ts";
import { applyDelta, type Durable, deltaBetween, type Waiting } from "../supervisor/durable.ts";

/** How the journal writes down what has changed, and reads it: the real thing, or one that was broken on purpose. */
export interface Keeping {
  readonly deltaBetween: typeof deltaBetween;
  readonly applyDelta: typeof applyDelta;
}

export const realKeeping: Keeping = { deltaBetween, applyDelta };

/** watchd's journal: its state, and what the ledger has yet to be told. What is in memory only is gone with each watchd. */
export class Bookkeeper {
  readonly #keeping: Keeping;
  #durable: Durable;
  #nextEntry = 1;
  #waiting: readonly Waiting[] = [];
  #acknowledged = 0;

  constructor(state: State, keeping: Keeping = realKeeping) {
    this.#keeping = keeping;
    this.#durable = { state, nextEntry: 1, waiting: [] };
  }

  /** Entries that the ledger has not acknowledged to this watchd, oldest first. */
  get waiting(): readonly Waiting[] {
    return this.#waiting;
  }

  /** What the next watchd begins with. */
  recover(): State {
    const { state, nextEntry, waiting }: Durable = JSON.parse(JSON.stringify(this.#durable));
    this.#nextEntry = nextEntry;
    this.#waiting = waiting;
    this.#acknowledged = (waiting[0]?.n ?? nextEntry) - 1;
    return state;
  }

  write(state: State, records: readonly LedgerRecord[]): void {
    const added = records.map((record, index) => ({ n: this.#nextEntry + index, record }));
    this.#nextEntry += added.length;
    const ledger = { nextEntry: this.#nextEntry, added, acknowledged: this.#acknowledged };
    const delta = this.#keeping.deltaBetween(this.#durable.state, state, ledger);
    this.#durable = this.#keeping.applyDelta(this.#durable, delta);
    this.#waiting = [...this.#waiting, ...added];
  }

  /** The ledger has this entry and all before it. */
  acknowledge(upTo: number): void {
    this.#acknowledged = Math.max(this.#acknowledged, upTo);
    this.#waiting = this.#waiting.filter(({ n }) => n > this.#acknowledged);
  }
}
