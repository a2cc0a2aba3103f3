import { isDarumaError, messageOf } from "@daruma/base";
import type { StoredEntry } from "@daruma/ledger";
import { mayComeBack, pause } from "../instance/patience.ts";
import { inBatches } from "./batches.ts";
import { lastOf, Passing, type Position, type Sink, type SinkOptions } from "./sink.ts";

export interface PumpOptions<T, P> {
  /** Where to begin: after the last one that was acknowledged. */
  readonly from: P | null;
  /** What comes after it, in order; ends if no more are wanted. */
  readonly items: (after: P | null, signal: AbortSignal) => AsyncIterable<T>;
  readonly lastOf: SinkOptions<T, P>["lastOf"];
  readonly bytesOf: (item: T) => number;
  readonly open: (options: SinkOptions<T, P>) => Promise<Sink<T>>;
  /** Resolves once the position is durable. */
  readonly keep: (position: P) => Promise<void>;
  /** Told once when the receiver or the ledger is away, and with `null` once when it takes entries again. */
  readonly onTrouble: (why: string | null) => void;
  /** How long to try without any progress. */
  readonly patienceMs: number;
  readonly signal: AbortSignal;
  /** From 0 to 1: spreads the attempts of many hosts. */
  readonly random?: () => number;
  readonly firstPauseMs?: number;
}

const longestPauseMs = 60_000;
/** Of what a receiver asks for. */
const longestAskedMs = 3_600_000;
const limits = { most: 500, mostBytes: 1024 * 1024, lingerMs: 50 };

/** Of a pump of entries: what differs from one of other things. */
export interface EntryPumpOptions
  extends Omit<PumpOptions<StoredEntry, Position>, "items" | "lastOf" | "bytesOf"> {
  /** Entries after `seq`. */
  readonly entries: (after: number, signal: AbortSignal) => AsyncIterable<StoredEntry>;
}

/** Sends entries of the ledger. Returns how many were acknowledged. */
export async function pump({ entries, ...options }: EntryPumpOptions): Promise<number> {
  const last = await pumpAll({
    ...options,
    items: (after, signal) => entries(after?.seq ?? 0, signal),
    lastOf,
    bytesOf: ({ line }) => Buffer.byteLength(line),
  });
  return (last?.seq ?? 0) - (options.from?.seq ?? 0);
}

/**
 * Sends items, each at least once and in order. Whatever fails in passing is begun anew after the last one that was
 * acknowledged, with growing pauses. Returns the position of the last one that was acknowledged.
 *
 * @throws what is no matter of waiting, or has lasted too long; the reason of `signal`
 */
export async function pumpAll<T, P>(options: PumpOptions<T, P>): Promise<P | null> {
  const { signal, random = Math.random, firstPauseMs = 500 } = options;
  let position = options.from;
  let pauseMs = firstPauseMs;
  let lastProgress = performance.now();
  let troubled = false;
  const onAcknowledged = async (acknowledged: P) => {
    await options.keep(acknowledged);
    position = acknowledged;
    pauseMs = firstPauseMs;
    lastProgress = performance.now();
    if (troubled) options.onTrouble(null);
    troubled = false;
  };
  for (;;) {
    try {
      await sendAll(options, position, onAcknowledged);
      return position;
    } catch (error) {
      signal.throwIfAborted();
      const lasting = !(error instanceof Passing) && !mayComeBack(error);
      if (lasting || performance.now() - lastProgress > options.patienceMs) throw error;
      if (!troubled)
        options.onTrouble(isDarumaError(error) ? `${error.code}: ${error.message}` : messageOf(error));
      troubled = true;
      const asked = error instanceof Passing ? (error.retryAfterMs ?? 0) : 0;
      const spread = pauseMs * (0.5 + random() / 2);
      await pause(Math.max(Math.min(asked, longestAskedMs), spread), signal);
      pauseMs = Math.min(pauseMs * 2, longestPauseMs);
    }
  }
}

async function sendAll<T, P>(
  options: PumpOptions<T, P>,
  after: P | null,
  onAcknowledged: (position: P) => Promise<void>,
): Promise<void> {
  const ending = new AbortController();
  const signal = AbortSignal.any([options.signal, ending.signal]);
  const sink = await options.open({ onAcknowledged, lastOf: options.lastOf, signal });
  const unless = endedBy(sink.failed, signal);
  const batches = inBatches(options.items(after, signal), { ...limits, bytesOf: options.bytesOf });
  try {
    for (;;) {
      const next = await unless(batches.next());
      if (next.done === true) break;
      await unless(sink.send(next.value));
    }
    await unless(sink.finish());
  } finally {
    sink.close();
    // Whoever reads entries still waits for the next one.
    ending.abort();
    batches.return().catch(() => undefined);
  }
}

/**
 * Waits for some work, or for what ends all work. Not with Promise.race: a promise that is raced again and again keeps all
 * of that for as long as it lives.
 */
function endedBy(failed: Promise<never>, signal: AbortSignal): <T>(work: Promise<T>) => Promise<T> {
  let fail: (error: unknown) => void = () => {};
  let ended = false;
  const end = (error: unknown) => {
    ended = true;
    fail(error);
  };
  failed.catch(end);
  signal.addEventListener("abort", () => end(signal.reason), { once: true });
  return (work) =>
    new Promise((resolve, reject) => {
      fail = reject;
      // Where something else ends it first, its own end is nobody's.
      work.then(resolve, reject);
      if (ended) failed.catch(reject);
      if (signal.aborted) reject(signal.reason);
    });
}
