import { isDarumaError } from "@daruma/base";
import { originOf, parseCheckpoint, type SignedCheckpoint, signCheckpoint } from "./checkpoint.ts";
import type { Committer } from "./committer.ts";
import type { Signer } from "./signed-note.ts";
import type { Store } from "./store.ts";

export interface CheckpointPace {
  /** A checkpoint is due once there are so many new entries. */
  readonly everyEntries: number;
  /** And so long after the first new entry, however few there are. */
  readonly everyMs: number;
}

/** At most a minute's entries are unsigned when a disk changes hands; a busy host signs a few times a second. */
export const defaultPace: CheckpointPace = { everyEntries: 5000, everyMs: 60_000 };

export interface CheckpointerOptions {
  readonly store: Store;
  readonly committer: Committer;
  readonly signer: Signer;
  readonly pace: CheckpointPace;
  /** Called with each new checkpoint once it is stored. */
  readonly onSigned: (checkpoint: SignedCheckpoint) => void;
  /** A bug: what can go wrong with the disk, the committer tells. */
  readonly onProblem: (error: unknown) => void;
}

/** Signs the ledger's tree from time to time. A checkpoint is stored before anybody gets to see it. */
export class Checkpointer {
  readonly #options: CheckpointerOptions;
  #timer: NodeJS.Timeout | undefined;
  #forget: () => void = () => undefined;
  #stopped = false;

  constructor(options: CheckpointerOptions) {
    this.#options = options;
  }

  /** Begins to watch for new entries, the first of which may be there already. */
  start(): void {
    this.#watch();
    this.#consider();
  }

  /**
   * The checkpoint over all entries that are durable now; a new one where the last is behind. `null` while there is no
   * entry.
   *
   * @throws LEDGER_E_WRITE_FAILED, LEDGER_E_DAMAGED
   */
  async now(): Promise<SignedCheckpoint | null> {
    return await this.#options.committer.between(() => this.#sign());
  }

  /** Signs what is left, once no more can be appended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#forget();
    const { store } = this.#options;
    if (store.writable) await this.now().catch((error: unknown) => this.#fail(error));
  }

  #watch(): void {
    this.#forget = this.#options.committer.onCommit(() => {
      if (this.#stopped) return;
      this.#watch();
      this.#consider();
    });
  }

  #consider(): void {
    const { store, pace } = this.#options;
    const unsigned = store.state.head.seq - (store.checkpoint?.size ?? 0);
    if (unsigned >= pace.everyEntries) this.#signSoon();
    else if (unsigned > 0) this.#timer ??= setTimeout(() => this.#signSoon(), pace.everyMs);
  }

  #signSoon(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.now().then(
      () => this.#stopped || this.#consider(),
      (error: unknown) => this.#fail(error),
    );
  }

  async #sign(): Promise<SignedCheckpoint | null> {
    const { store, signer, onSigned } = this.#options;
    const { seq: size } = store.state.head;
    if (size === 0 || store.checkpoint?.size === size) return store.checkpoint;
    const root = await store.tree().root(size);
    const checkpoint = parseCheckpoint(signCheckpoint(signer, { origin: originOf(store.host), size, root }));
    if (checkpoint === null) throw new Error("a checkpoint of our own cannot be read");
    await store.putCheckpoint(checkpoint);
    onSigned(checkpoint);
    return checkpoint;
  }

  /** A disk that cannot be written is told of by the appends; the next entry brings the next attempt. */
  #fail(error: unknown): void {
    if (!isDarumaError(error)) this.#options.onProblem(error);
  }
}
