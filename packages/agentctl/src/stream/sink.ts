import type { StoredEntry } from "@daruma/ledger";

/** An entry by which a stream is gone on with. */
export interface Position {
  readonly seq: number;
  readonly hash: string;
}

/** Where entries, or other things `T`, go, for as long as nothing fails. */
export interface Sink<T = StoredEntry> {
  /**
   * Resolves once more can be sent: no earlier than the receiver has room for it.
   *
   * @throws whatever failed; then the sink is of no use any more
   */
  send(items: readonly T[]): Promise<void>;
  /** Rejects as soon as nothing more can be sent, even while nothing is. */
  readonly failed: Promise<never>;
  /**
   * No more comes. Resolves once all that was sent is acknowledged.
   *
   * @throws as `send`
   */
  finish(): Promise<void>;
  close(): void;
}

/** `P` is by which a stream of them is gone on with. */
export interface SinkOptions<T = StoredEntry, P = Position> {
  /** Of the last of them. */
  readonly lastOf: (items: readonly T[]) => P | null;
  /** Everything up to here has been received. Called in order, one at a time. */
  readonly onAcknowledged: (position: P) => Promise<void>;
  readonly signal: AbortSignal;
}

/** A failure after which the same may work later. */
export class Passing extends Error {
  /** How long the receiver asks to wait. */
  readonly retryAfterMs: number | null;

  constructor(
    message: string,
    options: { readonly retryAfterMs?: number | null; readonly cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.retryAfterMs = options.retryAfterMs ?? null;
  }
}

export function lastOf(entries: readonly StoredEntry[]): Position | null {
  const last = entries.at(-1);
  return last === undefined ? null : { seq: last.entry.seq, hash: last.entry.hash };
}

/** Of a sink that can fail only while it sends. */
export function neverFails(): Promise<never> {
  return new Promise(() => {});
}
