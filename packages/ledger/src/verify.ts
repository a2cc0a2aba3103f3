import { isUtf8 } from "node:buffer";
import { type EntryFacts, type EntryFault, type Head, maxEntryBytes, readEntry, zeroHash } from "./entry.ts";
import { scanEntry } from "./entry-scan.ts";
import type { Segment } from "./segment.ts";

/** Why an entry is bad. Part of the interface: docs/ledger-format.md lists what each means. */
export type BadReason =
  | EntryFault
  | "not-utf8"
  | "too-long"
  | "truncated"
  | "empty"
  | "wrong-host"
  | "wrong-seq"
  | "wrong-prev"
  | "wrong-head"
  | "unreadable"
  | ProofFault;

/** What is wrong with the tree, its checkpoints, or what witnesses know of them. */
export type ProofFault =
  | "bad-proof"
  | "wrong-tree"
  | "wrong-root"
  | "wrong-signature"
  | "unsigned"
  | "unwitnessed"
  | "cut"
  | "forked"
  | "left-out"
  | "wrong-payload";

export interface BadEntry {
  /** The number that the entry should have here; `null` where nothing says so (a first line that cannot be read). */
  readonly seq: number | null;
  /** Line of the export, or how many-eth entry of the directory, from 1. */
  readonly line: number;
  readonly reason: BadReason;
  /** One sentence without a full stop, fit to follow "entry 5 is bad: ". */
  readonly message: string;
}

export interface ChainVerification {
  readonly ok: boolean;
  /** Whether all entries from seq 1 on are there. */
  readonly complete: boolean;
  /** Good entries, up to the first bad one. */
  readonly entries: number;
  /** Of the good entries; `null` where there is none. */
  readonly firstSeq: number | null;
  readonly lastSeq: number | null;
  /** `hash` of the last good entry. Compare it with one kept elsewhere: a chain alone does not show a cut tail. */
  readonly headHash: string | null;
  readonly host: string | null;
  readonly firstBad: BadEntry | null;
}

/** What one entry is by itself, without its neighbours. */
export type CheckedEntry =
  | { readonly entry: EntryFacts; readonly fault: Fault | null }
  | { readonly entry: null; readonly fault: Fault };

/** Checks all of an entry's stored bytes that can be checked without its neighbours. Never throws. */
export function checkEntry(bytes: Buffer): CheckedEntry {
  if (bytes.length > maxEntryBytes) return { entry: null, fault: tooLong };
  const plain = scanEntry(bytes);
  if (plain !== null) return { entry: plain, fault: null };
  // Decoding would turn every bad byte into the same U+FFFD, and a changed byte would go unseen.
  if (!isUtf8(bytes))
    return { entry: null, fault: { reason: "not-utf8", message: "its bytes are not UTF-8" } };
  return readEntry(bytes.toString("utf8"));
}

export const tooLong: Fault = { reason: "too-long", message: `it is longer than ${maxEntryBytes} bytes` };

/**
 * Verifies a chain entry by entry in constant memory, and never throws, whatever it is fed. The first entry may have
 * any number; number 1 must start from 64 zeros.
 */
export class ChainVerifier {
  #entries = 0;
  #firstSeq: number | null = null;
  #last: LastEntry | null = null;
  #lastGood: Head | null = null;
  #gaps = 0;
  #otherLines = 0;
  #host: string | null;
  #bad: BadEntry | null = null;

  /** With `host`, entries of any other host are bad; without, those of another host than the first entry's. */
  constructor(host: string | null = null) {
    this.#host = host;
  }

  /** Takes the stored bytes of the next entry. Returns what is wrong, here or earlier; entries after it do not count. */
  push(bytes: Buffer): BadEntry | null {
    return this.#bad ?? this.accept(checkEntry(bytes));
  }

  /** Like `push`, for an entry whose own bytes have been checked elsewhere. */
  accept(checked: CheckedEntry): BadEntry | null {
    if (this.#bad !== null) return this.#bad;
    const { entry, fault } = checked;
    if (entry === null) return this.fail(fault.reason, fault.message);
    const bad = this.#wrongSeq(entry) ?? fault ?? this.#wrongHost(entry) ?? this.#wrongPrev(entry);
    if (bad !== null) return this.fail(bad.reason, bad.message, entry.seq);
    this.#host = entry.host;
    this.#firstSeq ??= entry.seq;
    this.#last = { seq: entry.seq, hash: entry.hash };
    this.#lastGood = { seq: entry.seq, hash: entry.hash };
    this.#entries += 1;
    return null;
  }

  /** Takes a run of good entries at once, if it follows what came before; if not, nothing has happened. */
  acceptSegment({ entries, host, first, last }: Segment): boolean {
    const isFirst = this.#last === null && first.seq === 1 && first.prev === zeroHash;
    const follows = this.#last !== null && first.seq === this.#last.seq + 1;
    const isLinked = isFirst || (follows && (this.#last?.hash ?? first.prev) === first.prev);
    if (this.#bad !== null || !isLinked || (this.#host !== null && this.#host !== host)) return false;
    this.#host = host;
    this.#firstSeq ??= first.seq;
    this.#last = { seq: last.seq, hash: last.hash };
    this.#lastGood = { seq: last.seq, hash: last.hash };
    this.#entries += entries;
    return true;
  }

  /** Entries up to number `to` are left out on purpose; the next one is `to` + 1. */
  skip(to: number): void {
    this.#last = { seq: to, hash: null };
    this.#gaps += 1;
    this.countLine();
  }

  /** A line that holds no entry. */
  countLine(): void {
    this.#otherLines += 1;
  }

  /** Marks the place after the last good entry as bad, for a reason that only the caller may know. */
  fail(reason: BadReason, message: string, claimedSeq: number | null = null): BadEntry {
    return this.failAt(this.#last === null ? claimedSeq : this.#last.seq + 1, reason, message);
  }

  /** Marks entry `seq` as the first that cannot be relied on, though it was read before. */
  failAt(seq: number | null, reason: BadReason, message: string): BadEntry {
    this.#bad ??= { seq, line: this.#entries + this.#otherLines + 1, reason, message };
    return this.#bad;
  }

  get bad(): BadEntry | null {
    return this.#bad;
  }

  /** The last good entry, unless entries after it were left out. */
  get last(): Head | null {
    return this.#last?.hash == null ? null : { seq: this.#last.seq, hash: this.#last.hash };
  }

  get host(): string | null {
    return this.#host;
  }

  result(): ChainVerification {
    return {
      ok: this.#bad === null,
      complete: this.#gaps === 0 && (this.#firstSeq === null || this.#firstSeq === 1),
      entries: this.#entries,
      firstSeq: this.#firstSeq,
      lastSeq: this.#lastGood?.seq ?? null,
      headHash: this.#lastGood?.hash ?? null,
      host: this.#host,
      firstBad: this.#bad,
    };
  }

  #wrongSeq(entry: EntryFacts): Fault | null {
    const expected = this.#last === null ? entry.seq : this.#last.seq + 1;
    if (entry.seq === expected) return null;
    return { reason: "wrong-seq", message: `its seq is ${entry.seq}, here must be ${expected}` };
  }

  #wrongHost(entry: EntryFacts): Fault | null {
    if (this.#host === null || entry.host === this.#host) return null;
    return { reason: "wrong-host", message: `it is of host ${entry.host}, the ledger is of ${this.#host}` };
  }

  #wrongPrev(entry: EntryFacts): Fault | null {
    // After entries that were left out, only the tree can tell.
    const expected = this.#last?.hash ?? (entry.seq === 1 ? zeroHash : entry.prev);
    if (entry.prev === expected) return null;
    return { reason: "wrong-prev", message: `its prev is ${entry.prev}, the hash before it is ${expected}` };
  }
}

/** Where the chain stands: `hash` is not known of an entry that was left out. */
interface LastEntry {
  readonly seq: number;
  readonly hash: string | null;
}

export interface Fault {
  readonly reason: BadReason;
  readonly message: string;
}
