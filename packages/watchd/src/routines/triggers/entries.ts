import { followLedger, type LedgerFollow } from "../../ledger-follow.ts";
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

/** Follows the ledger: while ledgerd is away nothing is lost, only late. */
export function watchEntries({ socket, filters, after, onFound, log }: EntryWatchOptions): LedgerFollow {
  return followLedger({
    socket,
    after,
    onStart: (seq) => onFound(seq, []),
    onEntry: (entry) => {
      const found = eventsOfEntry(entry, filters);
      if (found.length > 0) onFound(entry.seq, found);
    },
    listener: "routines that wait for some",
    log,
  });
}
