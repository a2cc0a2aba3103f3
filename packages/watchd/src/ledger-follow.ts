import { setTimeout as sleep } from "node:timers/promises";
import { messageOf } from "@daruma/base";
import { type Entry, ledgerStatus, readEntries } from "@daruma/ledger";

export interface LedgerFollowOptions {
  /** A socket of ledgerd. */
  readonly socket: string;
  /** The last entry that was looked at; null: begin with what comes. */
  readonly after: number | null;
  /** Called once with where it begins, if that is not `after`. */
  readonly onStart: (seq: number) => void;
  /** Called for each entry, in order. */
  readonly onEntry: (entry: Entry) => void;
  /** Who hears of nothing while ledgerd is away. */
  readonly listener: string;
  readonly log: (message: string) => void;
}

export interface LedgerFollow {
  /** The last entry that was looked at; null before there was an answer. */
  readonly upTo: number | null;
  close(): Promise<void>;
}

const retryMs = 1_000;

/** Follows the ledger: while ledgerd is away nothing is lost, only late. */
export function followLedger(options: LedgerFollowOptions): LedgerFollow {
  const { socket, onStart, onEntry, listener, log } = options;
  const ending = new AbortController();
  const { signal } = ending;
  let upTo = options.after;
  let told = false;
  const follow = async () => {
    const { head } = await ledgerStatus({ socket });
    // A ledger that was begun anew has fewer: what is in it is all new, and none of it was waited for.
    if (upTo === null || upTo > head.seq) {
      upTo = head.seq;
      onStart(upTo);
    }
    for await (const { entry } of readEntries({ socket, after: upTo, follow: true, signal })) {
      told = false;
      upTo = entry.seq;
      onEntry(entry);
    }
  };
  const work = async () => {
    while (!signal.aborted) {
      try {
        await follow();
      } catch (error) {
        if (signal.aborted) return;
        if (!told) log(`${listener} hear of no entries of the ledger: ${messageOf(error)}`);
        told = true;
      }
      await sleep(retryMs, undefined, { signal }).catch(() => undefined);
    }
  };
  const working = work();
  return {
    get upTo() {
      return upTo;
    },
    async close() {
      ending.abort();
      await working;
    },
  };
}
