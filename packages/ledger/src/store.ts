import { resolve } from "node:path";
import { type DarumaError, isDarumaError, messageOf } from "@daruma/base";
import { ledgerErrors } from "./catalogue.ts";
import { printHead, type StoreState } from "./check.ts";
import type { SignedCheckpoint } from "./checkpoint.ts";
import { checkpointOperations, readCheckpoint } from "./checkpoint-store.ts";
import type { ChainState, GroupPlan } from "./group.ts";
import { type LedgerDb, openError, storeKeys } from "./level.ts";
import { leafHash } from "./merkle.ts";
import { closeParts, type Opened, openParts } from "./store-parts.ts";
import { type Completed, growTree } from "./tree.ts";
import { TreeReader, treeOperations } from "./tree-store.ts";

/** Entries and bytes that one read gives at most; a single entry may be more bytes. */
const readEntries = 512;
const readBytes = 1024 * 1024;

/** The ledger on disk. One process has it open at a time; it is the only one that may call `commit`, one at a time. */
export class Store {
  readonly directory: string;
  readonly host: string;
  #opened: Opened | null;
  #state: StoreState;
  /** A group whose batch failed and of which only opening the store again can tell whether it is there. */
  #unsettled: GroupPlan | null = null;
  #broken: DarumaError | null = null;

  private constructor(directory: string, host: string, opened: Opened) {
    this.directory = directory;
    this.host = host;
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
    return new Store(absolute, host, await openParts(absolute, host));
  }

  /** What is durable. */
  get state(): ChainState {
    return this.#state.chain;
  }

  /** The newest checkpoint. */
  get checkpoint(): SignedCheckpoint | null {
    return this.#state.checkpoint;
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
      await this.#opened.db.batch<string, string | Buffer>(operationsOf(plan, completed), { sync: true });
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
    const found = opened.state.chain.head.hash;
    const expected = [this.#state.chain.head.hash, this.#unsettled?.next.head.hash];
    if (!expected.includes(found)) {
      await closeParts(opened);
      this.#broken = ledgerErrors.make(
        "LEDGER_E_DAMAGED",
        `after a failed write the ledger in ${this.directory} ends at entry ${opened.state.chain.head.seq}, not at ${this.#state.chain.head.seq}`,
        { where: this.directory },
      );
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
    const { head } = this.#state.chain;
    if (after >= head.seq || limit <= 0) return [];
    const opened = this.#opened;
    if (opened === null) throw this.#broken ?? unreadable(this.directory);
    try {
      return await readSome(opened.db, after, head.seq, limit);
    } catch (error) {
      if (isDarumaError(error)) throw error;
      if (this.#opened !== opened) throw unreadable(this.directory);
      throw openError(this.directory, error);
    }
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

function operationsOf(plan: GroupPlan, completed: Completed) {
  const put = (key: string, value: string) => ({ type: "put", key, value }) as const;
  const operations = plan.entries.map((entry) => put(storeKeys.entry(entry.seq), entry.line));
  for (const name of plan.firstKeys.keys()) {
    operations.push(put(storeKeys.writer(name), JSON.stringify(plan.next.writers.get(name))));
  }
  operations.push(put(storeKeys.head, printHead(plan.next.head)));
  return [...operations, ...treeOperations(completed)];
}

async function readSome(
  db: LedgerDb,
  after: number,
  last: number,
  limit: number,
): Promise<readonly Buffer[]> {
  const count = Math.min(limit, readEntries);
  const iterator = db.iterator<string, Buffer>({
    gt: storeKeys.entry(after),
    lte: storeKeys.entry(last),
    limit: count,
    highWaterMarkBytes: readBytes,
    valueEncoding: "buffer",
    fillCache: false,
  });
  try {
    const found = await iterator.nextv(count);
    found.forEach(([key], index) => {
      if (key !== storeKeys.entry(after + 1 + index)) throw missing(db, after + 1 + index);
    });
    if (found.length === 0) throw missing(db, after + 1);
    return found.map(([, value]) => value);
  } finally {
    await iterator.close();
  }
}

function missing(db: LedgerDb, seq: number): DarumaError {
  return ledgerErrors.make("LEDGER_E_DAMAGED", `entry ${seq} is missing in ${db.location}`, {
    where: db.location,
  });
}

function writeFailed(cause: unknown, afterwards?: unknown): DarumaError {
  const why =
    afterwards === undefined ? "" : "; whether it was written shows once the ledger can be opened again";
  const message = `the ledger cannot write (${messageOf(cause)})${why}`;
  return ledgerErrors.make("LEDGER_E_WRITE_FAILED", message, { cause: afterwards ?? cause });
}

function unreadable(directory: string): DarumaError {
  return ledgerErrors.make(
    "LEDGER_E_UNUSABLE",
    `the ledger in ${directory} cannot be read until it can be written again`,
    { where: directory },
  );
}
