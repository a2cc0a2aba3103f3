import { setTimeout as sleep } from "node:timers/promises";
import { messageOf } from "@daruma/base";
import { ledgerStatus, readEntries } from "@daruma/ledger";
import type { Occurred } from "../events.ts";
import { entryEvent } from "../policy.ts";

export interface EntryFilter {
  /** The whole action, or its beginning followed by `*`. */
  readonly action: string;
  /** Null: whatever it is about. */
  readonly subject: string | null;
}

interface Labels {
  readonly seq: number;
  readonly action: string;
  readonly subject: string;
}

/** The events that an entry is to those who wait for some. */
export function eventsOfEntry(entry: Labels, filters: readonly EntryFilter[]): readonly Occurred[] {
  const cause = `entry ${entry.seq}: ${entry.action} ${entry.subject}`;
  const names = filters
    .filter(
      ({ action, subject }) => isWanted(entry.action, action) && (subject ?? entry.subject) === entry.subject,
    )
    .map(({ action, subject }) => entryEvent(action, subject));
  return [...new Set(names)].map((name) => ({ name, cause }));
}

function isWanted(action: string, wanted: string): boolean {
  return wanted.endsWith("*") ? action.startsWith(wanted.slice(0, -1)) : action === wanted;
}

export interface EntryWatchOptions {
  /** A socket of ledgerd. */
  readonly socket: string;
  readonly filters: readonly EntryFilter[];
  /** The last entry that was looked at; null: begin with what comes. */
  readonly after: number | null;
  /** Called for each entry that is waited for, in order, and once with where it begins. */
  readonly onFound: (upTo: number, found: readonly Occurred[]) => void;
  readonly log: (message: string) => void;
}

export interface EntryWatch {
  /** The last entry that was looked at; null before there was an answer. */
  readonly upTo: number | null;
  close(): Promise<void>;
}

const retryMs = 1_000;

/** Follows the ledger: while ledgerd is away nothing is lost, only late. */
export function watchEntries(options: EntryWatchOptions): EntryWatch {
  const { socket, filters, onFound, log } = options;
  const ending = new AbortController();
  const { signal } = ending;
  let upTo = options.after;
  let told = false;
  const follow = async () => {
    const { head } = await ledgerStatus({ socket });
    // A ledger that was begun anew has fewer: what is in it is all new, and none of it was waited for.
    if (upTo === null || upTo > head.seq) {
      upTo = head.seq;
      onFound(upTo, []);
    }
    for await (const { entry } of readEntries({ socket, after: upTo, follow: true, signal })) {
      told = false;
      upTo = entry.seq;
      const found = eventsOfEntry(entry, filters);
      if (found.length > 0) onFound(entry.seq, found);
    }
  };
  const work = async () => {
    while (!signal.aborted) {
      try {
        await follow();
      } catch (error) {
        if (signal.aborted) return;
        if (!told) log(`routines that wait for entries of the ledger hear of none: ${messageOf(error)}`);
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
