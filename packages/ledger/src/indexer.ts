import type { Committer } from "./committer.ts";
import type { Store } from "./store.ts";

export interface IndexerOptions {
  readonly store: Store;
  readonly committer: Committer;
  readonly onProblem: (error: unknown) => void;
}

/** After a failed write, until the next attempt. */
const retryMs = 5000;

/**
 * Indexes what is not: entries of a release that knew no index, or all of them when it is made anew. It does so between the
 * groups of appends, a few thousand entries at a time, so that nobody waits for it but those who ask for what it has not reached.
 */
export class Indexer {
  readonly #options: IndexerOptions;
  #running: Promise<void> | null = null;
  #retry: NodeJS.Timeout | undefined;
  #stopping = false;

  constructor(options: IndexerOptions) {
    this.#options = options;
  }

  start(): void {
    if (!this.#stopping) this.#running ??= this.#run();
  }

  /**
   * Forgets the index and begins to make it again.
   *
   * @throws LEDGER_E_WRITE_FAILED, LEDGER_E_DAMAGED
   */
  async renew(): Promise<void> {
    const { store, committer } = this.#options;
    await committer.between(() => store.forgetIndex());
    this.start();
  }

  /** After the batch that is being written. */
  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#retry);
    await this.#running;
  }

  async #run(): Promise<void> {
    const { store, committer, onProblem } = this.#options;
    // Not before `#running` is set, which the end of this function unsets.
    await Promise.resolve();
    try {
      while (!this.#stopping && store.indexed < store.state.head.seq) {
        await committer.between(() => store.indexNext());
      }
    } catch (error) {
      onProblem(error);
      if (!this.#stopping) this.#retry = setTimeout(() => this.start(), retryMs);
    } finally {
      this.#running = null;
    }
  }
}
