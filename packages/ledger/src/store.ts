import { resolve } from "node:path";
import { type DarumaError, isDarumaError } from "@daruma/base";
import { ledgerErrors } from "./catalogue.ts";
import type { StoreState } from "./check.ts";
import type { SignedCheckpoint } from "./checkpoint.ts";
import { checkpointOperations, readCheckpoint } from "./checkpoint-store.ts";
import { groupOperations } from "./commit-operations.ts";
import type { Head } from "./entry.ts";
import type { ChainState, GroupPlan } from "./group.ts";
import { forgetIndex, growthAfter, indexNext, indexOperations } from "./index-store.ts";
import { type LedgerDb, openError } from "./level.ts";
import { leafHash } from "./merkle.ts";
import { beginPruning } from "./pruned.ts";
import { endsElsewhere, unreadable, writeFailed } from "./store-errors.ts";
import { closeParts, type Opened, openParts } from "./store-parts.ts";
import { readFrom, readSome } from "./store-read.ts";
import { growTree } from "./tree.ts";
import { TreeReader } from "./tree-store.ts";

/** The ledger on disk. One process has it open at a time; it is the only one that may call `commit`, one at a time. */
export class Store {
  readonly directory: string;
  readonly host: string;
  #opened: Opened | null;
  #state: StoreState;
  /** A group whose batch failed and of which only opening the store again can tell whether it is there. */
  #unsettled: GroupPlan | null = null;
  #broken: DarumaError | null = null;

  private constructor(directory: string, opened: Opened) {
    this.directory = directory;
    this.host = opened.state.host;
    this.#opened = opened;
    this.#state = opened.state;
  }

  /**
   * Opens the ledger in `directory` for `host`, and starts one where there is none. Nothing is repaired or cut.
   *
   * @throws LEDGER_E_LOCKED, LEDGER_E_READ_ONLY, LEDGER_E_DAMAGED, LEDGER_E_FORMAT, LEDGER_E_OTHER_HOST,
   *   LEDGER_E_UNUSABLE
   */
  static async open(directory: string, host: string): Promise<Store> {
    const absolute = resolve(directory);
    return new Store(absolute, await openParts(absolute, host));
  }

  /**
   * Opens the ledger that is in `directory`, whichever host it is of. It must belong to the user of this process.
   *
   * @throws as `open`, and LEDGER_E_NOT_FOUND
   */
  static async openAny(directory: string): Promise<Store> {
    const absolute = resolve(directory);
    return new Store(absolute, await openParts(absolute, null));
  }

  /** What is durable. */
  get state(): ChainState {
    return this.#state.chain;
  }

  /** The newest checkpoint. */
  get checkpoint(): SignedCheckpoint | null {
    return this.#state.checkpoint;
  }

  /** The last entry that was pruned; number 0 if none was. Before the next one there is nothing to be read. */
  get pruned(): Head {
    return this.#state.pruned;
  }

  /** False after a failed write, until the store could be opened again. */
  get writable(): boolean {
    return this.#opened !== null;
  }

  /**
   * Makes a plan durable, all of it or nothing. The plan must have been made from the present `state`.
   *
   * @throws LEDGER_E_WRITE_FAILED: `state` is as before; LEDGER_E_DAMAGED: nothing can be written any more.
   */
  async commit(plan: GroupPlan): Promise<void> {
    if (this.#opened === null) throw new Error("commit needs a store that is ready");
    try {
      const leaves = plan.entries.map(({ line }) => leafHash(line));
      const { tree, completed } = growTree(this.#state.tree, leaves);
      const operations = [...groupOperations(plan, completed), ...this.#indexed(plan)];
      await this.#opened.db.batch<string, string | Buffer>(operations, { sync: true });
      this.#opened.headFile.write(plan.next.head);
      this.#state = { ...this.#state, chain: plan.next, tree };
    } catch (cause) {
      await this.#settle(plan, cause);
    }
  }

  /** How many entries the checkpoint covers that each witness has taken last. */
  get witnessed(): ReadonlyMap<string, number> {
    return this.#state.witnessed;
  }

  /**
   * Makes a checkpoint durable, and that `witness` has taken it. Like a commit: only one of the two at a time.
   *
   * @throws LEDGER_E_WRITE_FAILED, LEDGER_E_DAMAGED
   */
  async putCheckpoint(checkpoint: SignedCheckpoint, witness: string | null = null): Promise<void> {
    if (this.#opened === null) throw new Error("a checkpoint needs a store that is ready");
    try {
      await this.#opened.db.batch(checkpointOperations(checkpoint, witness), { sync: true });
    } catch (cause) {
      await this.#settle(null, cause);
    }
    const isNewest = checkpoint.size >= (this.#state.checkpoint?.size ?? 0);
    if (isNewest) this.#state = { ...this.#state, checkpoint };
    if (witness === null) return;
    const witnessed = new Map(this.#state.witnessed).set(witness, checkpoint.size);
    this.#state = { ...this.#state, witnessed };
  }

  /**
   * The stored checkpoint over the first `size` entries.
   *
   * @throws LEDGER_E_UNUSABLE, LEDGER_E_DAMAGED
   */
  async checkpointOf(size: number): Promise<SignedCheckpoint | null> {
    if (this.#opened === null) throw this.#broken ?? unreadable(this.directory);
    return await readCheckpoint(this.#opened.db, size);
  }

  /**
   * Opens the store again after a failed write. Does nothing while it is open.
   *
   * @throws LEDGER_E_WRITE_FAILED, LEDGER_E_DAMAGED
   */
  async ready(): Promise<void> {
    if (this.#broken !== null) throw this.#broken;
    if (this.#opened !== null) return;
    let opened: Opened;
    try {
      opened = await openParts(this.directory, this.host);
    } catch (error) {
      if (isDarumaError(error) && error.code === "LEDGER_E_DAMAGED") this.#broken = error;
      throw this.#broken ?? writeFailed(error);
    }
    const expected = [this.#state.chain.head.hash, this.#unsettled?.next.head.hash];
    if (!expected.includes(opened.state.chain.head.hash)) {
      await closeParts(opened);
      this.#broken = endsElsewhere(this.directory, opened.state.chain.head, this.#state.chain.head);
      throw this.#broken;
    }
    this.#unsettled = null;
    this.#opened = opened;
    this.#state = opened.state;
  }

  /**
   * The stored bytes of the entries after number `after`, in order: as many as fit in one read, none only if there are
   * none.
   *
   * @throws LEDGER_E_UNUSABLE, LEDGER_E_DAMAGED
   */
  async read(after: number, limit: number): Promise<readonly Buffer[]> {
    const { seq } = this.#state.chain.head;
    return after >= seq || limit <= 0 ? [] : await this.reading((db) => readFrom(db, after, seq, limit));
  }

  /**
   * Asks the index, which covers all entries up to number `last` that are not pruned.
   *
   * @throws LEDGER_E_INDEXING, LEDGER_E_UNUSABLE, LEDGER_E_DAMAGED
   */
  async ask<T>(question: (db: LedgerDb, last: number, prunedSeq: number) => Promise<T>): Promise<T> {
    const { index, chain, pruned } = this.#state;
    const last = chain.head.seq;
    if (index.size >= last) return await this.reading((db) => question(db, last, pruned.seq));
    const message = `${index.size} of ${last} entries are indexed so far`;
    throw ledgerErrors.make("LEDGER_E_INDEXING", message, { where: this.directory });
  }

  /**
   * The stored bytes of entries by their numbers. All of them at once: not many.
   *
   * @throws LEDGER_E_UNUSABLE, LEDGER_E_DAMAGED
   */
  async readSome(seqs: readonly number[]): Promise<readonly Buffer[]> {
    return await this.reading((db) => readSome(db, seqs));
  }

  /** How many entries, from the first one on, the index covers. */
  get indexed(): number {
    return this.#state.index.size;
  }

  /** Why the index that was found when the store was opened is being made anew; `null` if it is not. */
  get indexFault(): string | null {
    return this.#state.indexFault;
  }

  /**
   * Indexes the next entries that are not. Like a commit: only one of the two at a time.
   *
   * @throws LEDGER_E_WRITE_FAILED, LEDGER_E_DAMAGED
   */
  async indexNext(): Promise<void> {
    const { index, chain, pruned } = this.#state;
    await this.maintaining((db) => indexNext(db, index, chain.head.seq, pruned.seq));
  }

  /**
   * Forgets the index; `indexNext` makes it again. Like a commit: only one of the two at a time.
   *
   * @throws LEDGER_E_WRITE_FAILED, LEDGER_E_DAMAGED
   */
  async forgetIndex(): Promise<void> {
    const { seq } = this.pruned;
    await this.maintaining((db) => forgetIndex(db, seq));
    this.#state = { ...this.#state, index: await this.reading((db) => growthAfter(db, seq)) };
  }

  /**
   * Lets the entries up to `pruned`, which the index covers, count as gone. Like a commit: only one of the two at a time.
   *
   * @throws LEDGER_E_WRITE_FAILED, LEDGER_E_DAMAGED
   */
  async prune(pruned: Head): Promise<void> {
    if (this.indexed < pruned.seq) throw new Error("what is pruned must be indexed");
    await this.maintaining((db) => beginPruning(db, pruned));
    this.#state = { ...this.#state, pruned };
  }

  /**
   * The tree over all that is durable.
   *
   * @throws LEDGER_E_UNUSABLE, LEDGER_E_DAMAGED
   */
  tree(): TreeReader {
    if (this.#opened === null) throw this.#broken ?? unreadable(this.directory);
    return new TreeReader(this.#opened.db, this.#state.tree);
  }

  async close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = null;
    if (opened !== null) await closeParts(opened);
  }

  /** What a commit adds to the index; nothing while older entries are still missing in it, for then it is made in order. */
  #indexed({ entries }: GroupPlan): ReturnType<typeof indexOperations> {
    const { index, chain } = this.#state;
    if (index.size !== chain.head.seq) return [];
    for (const entry of entries) index.add(entry);
    return indexOperations(index);
  }

  /** Reads what entries do not hold. @throws LEDGER_E_UNUSABLE, LEDGER_E_DAMAGED */
  async reading<T>(read: (db: LedgerDb) => Promise<T>): Promise<T> {
    const opened = this.#opened;
    if (opened === null) throw this.#broken ?? unreadable(this.directory);
    try {
      return await read(opened.db);
    } catch (error) {
      if (isDarumaError(error)) throw error;
      if (this.#opened !== opened) throw unreadable(this.directory);
      throw openError(this.directory, error);
    }
  }

  /** Writes what no entry depends on. Like a commit, and throws what that does. */
  async maintaining<T>(write: (db: LedgerDb) => Promise<T>): Promise<T> {
    if (this.#opened === null) throw new Error("writing needs a store that is ready");
    try {
      return await write(this.#opened.db);
    } catch (cause) {
      if (isDarumaError(cause)) throw cause;
      await this.#settle(null, cause);
      throw writeFailed(cause);
    }
  }

  /**
   * After a failed write LevelDB's log may hold half a record, behind which it would lose everything written later. So
   * the store is closed and opened again, and what is found then decides what the write was: done or not.
   */
  async #settle(plan: GroupPlan | null, cause: unknown): Promise<void> {
    const opened = this.#opened;
    this.#opened = null;
    this.#unsettled = plan;
    if (opened !== null) await closeParts(opened).catch(() => undefined);
    try {
      await this.ready();
    } catch (error) {
      throw this.#broken ?? writeFailed(cause, error);
    }
    if (this.#state.chain.head.hash !== plan?.next.head.hash) throw writeFailed(cause);
  }
}
