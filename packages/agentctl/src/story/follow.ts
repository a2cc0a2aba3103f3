import { type EntryFilter, readEntries, type StoredEntry } from "@daruma/ledger";
import { mayComeBack, pause } from "../instance/patience.ts";

export interface FollowOptions {
  readonly socket: string;
  /** Only entries with a greater seq. */
  readonly after: number;
  /** Only those that match. Default: all. */
  readonly filter?: EntryFilter;
  /** Ends the following; its reason is thrown. */
  readonly signal: AbortSignal;
  /** How long ledgerd may be away at a time, in milliseconds. */
  readonly patienceMs: number;
}

const firstPauseMs = 20;
const longestPauseMs = 500;

/**
 * Every entry from some point on, or every one that matches, without gaps and without repeats, across restarts of ledgerd.
 * Ends only by an error.
 *
 * @throws the reason of `signal`; what readEntries throws once ledgerd has been away too long, or at once if it is no
 *   matter of waiting.
 */
export async function* followEntries(options: FollowOptions): AsyncGenerator<StoredEntry, never, undefined> {
  const { socket, filter = {}, signal, patienceMs } = options;
  let after = options.after;
  let awaySince: number | null = null;
  let pauseMs = firstPauseMs;
  for (;;) {
    try {
      for await (const stored of readEntries({ socket, after, filter, follow: true, signal })) {
        yield stored;
        after = stored.entry.seq;
        awaySince = null;
        pauseMs = firstPauseMs;
      }
    } catch (error) {
      signal.throwIfAborted();
      awaySince ??= performance.now();
      if (!mayComeBack(error) || performance.now() - awaySince > patienceMs) throw error;
    }
    await pause(pauseMs, signal);
    pauseMs = Math.min(pauseMs * 2, longestPauseMs);
  }
}
