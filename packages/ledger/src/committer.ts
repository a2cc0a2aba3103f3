import { type DarumaError, Histogram, isDarumaError } from "@daruma/base";
import { ledgerErrors } from "./catalogue.ts";
import {
  type GroupPlan,
  type GroupRequest,
  type HeldKeys,
  heldAfterFailure,
  holdKey,
  type OutboxKey,
  type Outcome,
  planGroup,
} from "./group.ts";
import type { Store } from "./store.ts";

export interface Submission extends GroupRequest {
  /** Size of the request, for the bounds of the queue. */
  readonly bytes: number;
  /** Called once: after the entry is durable, or when it will not be. */
  answer(outcome: Outcome): void;
}

export interface CommitterOptions {
  /** Writing began to fail, or works again (`null`). */
  onTrouble(error: DarumaError | null): void;
  /** Nothing can be written any more. */
  onFatal(error: unknown): void;
}

const maxGroupRequests = 1024;
const maxGroupBytes = 2 * 1024 * 1024;
const maxQueuedRequests = 8192;
const maxQueuedBytes = 8 * 1024 * 1024;
/** Seconds that a group may take until it is durable: from a disk that lies to one that is dying. */
const syncBounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];

/** Groups appends: while one group is being synced the next one gathers. */
export class Committer {
  readonly #store: Store;
  readonly #options: CommitterOptions;
  /** Seconds that each group took to be written and synced. */
  readonly syncs = new Histogram(syncBounds);
  #queue: Submission[] = [];
  #queuedBytes = 0;
  #held: HeldKeys = new Map();
  #running: Promise<void> | null = null;
  #stopping = false;
  #inTrouble = false;
  #roomWaiters: (() => void)[] = [];
  #commitWaiters = new Set<() => void>();
  #tasks: (() => Promise<void>)[] = [];

  constructor(store: Store, options: CommitterOptions) {
    this.#store = store;
    this.#options = options;
  }

  submit(submission: Submission): void {
    if (this.#stopping) {
      submission.answer(stopping());
      return;
    }
    this.#queue.push(submission);
    this.#queuedBytes += submission.bytes;
    this.#running ??= this.#run();
  }

  /** Keeps later keys from overtaking one whose request was refused before it could be submitted. */
  hold(writer: string, key: OutboxKey): void {
    this.#held = holdKey(this.#store.state.writers, this.#held, writer, key);
  }

  /** Whoever submits must stop reading when this is true, until `onRoom` calls. */
  get full(): boolean {
    return this.#queue.length >= maxQueuedRequests || this.#queuedBytes >= maxQueuedBytes;
  }

  /** True from the call of `stop` on. */
  get stopping(): boolean {
    return this.#stopping;
  }

  /** Calls once, when the queue has room again. */
  onRoom(callback: () => void): void {
    this.#roomWaiters.push(callback);
  }

  /** Calls once, after the next group is durable. The function returned takes the wish back. */
  onCommit(callback: () => void): () => void {
    this.#commitWaiters.add(callback);
    return () => this.#commitWaiters.delete(callback);
  }

  /**
   * Runs `task` while no group is being written: the store takes one write at a time. Also after `stop`.
   *
   * @throws what `task` throws; LEDGER_E_WRITE_FAILED, LEDGER_E_DAMAGED
   */
  async between<T>(task: () => Promise<T>): Promise<T> {
    return await new Promise((resolve, reject) => {
      this.#tasks.push(async () => {
        try {
          if (!this.#store.writable) await this.#store.ready();
          resolve(await task());
        } catch (error) {
          if (isDarumaError(error)) this.#trouble(error);
          reject(error);
        }
      });
      this.#running ??= this.#run();
    });
  }

  /** Finishes the group that is being written and refuses the rest. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const submission of this.#take(Number.POSITIVE_INFINITY)) submission.answer(stopping());
    await this.#running;
  }

  async #run(): Promise<void> {
    try {
      // Everything that has arrived in this turn of the event loop belongs to the first group.
      await new Promise(setImmediate);
      while (this.#queue.length > 0 || this.#tasks.length > 0) {
        for (const task of this.#tasks.splice(0)) await task();
        if (this.#queue.length === 0) continue;
        const group = this.#take(maxGroupRequests);
        const outcomes = await this.#write(group);
        group.forEach((submission, index) => {
          submission.answer(outcomes[index] ?? stopping());
        });
      }
    } catch (error) {
      this.#options.onFatal(error);
    } finally {
      this.#running = null;
    }
  }

  #take(most: number): readonly Submission[] {
    let count = 0;
    let bytes = 0;
    for (const submission of this.#queue) {
      if (count >= most || (most < Number.POSITIVE_INFINITY && bytes >= maxGroupBytes)) break;
      bytes += submission.bytes;
      count += 1;
    }
    const group = this.#queue.splice(0, count);
    this.#queuedBytes -= bytes;
    if (!this.full) for (const callback of this.#roomWaiters.splice(0)) callback();
    return group;
  }

  async #write(group: readonly Submission[]): Promise<readonly Outcome[]> {
    let plan: GroupPlan | null = null;
    try {
      if (!this.#store.writable) await this.#store.ready();
      plan = this.#plan(group);
      if (plan.entries.length > 0) await this.#commit(plan);
    } catch (error) {
      if (!isDarumaError(error)) throw error;
      plan ??= this.#plan(group);
      this.#held = heldAfterFailure(this.#store.state, this.#held, plan);
      this.#trouble(error);
      return plan.outcomes.map((outcome) =>
        outcome.kind === "refused" ? outcome : { kind: "refused", error },
      );
    }
    this.#trouble(null);
    const waiters = [...this.#commitWaiters];
    this.#commitWaiters.clear();
    for (const callback of waiters) callback();
    return plan.outcomes;
  }

  async #commit(plan: GroupPlan): Promise<void> {
    const begun = performance.now();
    await this.#store.commit(plan);
    this.syncs.observe((performance.now() - begun) / 1000);
  }

  #plan(group: readonly Submission[]): GroupPlan {
    const plan = planGroup(this.#store.state, this.#held, group, new Date().toISOString());
    // At once: while the group is being written, `hold` may add to it.
    this.#held = plan.held;
    return plan;
  }

  #trouble(error: DarumaError | null): void {
    if (error?.code === "LEDGER_E_DAMAGED") this.#options.onFatal(error);
    if (this.#inTrouble === (error !== null)) return;
    this.#inTrouble = error !== null;
    this.#options.onTrouble(error);
  }
}

function stopping(): Outcome {
  return { kind: "refused", error: ledgerErrors.make("LEDGER_E_STOPPING", "ledgerd is stopping") };
}
