import { isUtf8 } from "node:buffer";
import { type Entry, type EntryFault, type Head, maxEntryBytes, readEntry, zeroHash } from "./entry.ts";
import { LineSplitter } from "./lines.ts";

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
  | "unreadable";

export interface BadEntry {
  /** The number that the entry should have here; `null` where nothing says so (a first line that cannot be read). */
  readonly seq: number | null;
  /** Line of the export, or how many-eth entry of the directory, from 1. */
  readonly line: number;
  readonly reason: BadReason;
  /** One sentence without a full stop, fit to follow "entry 5 is bad: ". */
  readonly message: string;
}

export interface Verification {
  readonly ok: boolean;
  /** False for a selection: it starts after seq 1, so what came before is not shown by it. */
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

/**
 * Verifies a chain entry by entry in constant memory, and never throws, whatever it is fed. The first entry may have
 * any number; number 1 must start from 64 zeros.
 */
export class ChainVerifier {
  #entries = 0;
  #firstSeq: number | null = null;
  #last: Head | null = null;
  #host: string | null;
  #bad: BadEntry | null = null;

  /** With `host`, entries of any other host are bad; without, those of another host than the first entry's. */
  constructor(host: string | null = null) {
    this.#host = host;
  }

  /** Takes the stored bytes of the next entry. Returns what is wrong, here or earlier; entries after it do not count. */
  push(bytes: Buffer): BadEntry | null {
    if (this.#bad !== null) return this.#bad;
    if (bytes.length > maxEntryBytes)
      return this.fail("too-long", `it is longer than ${maxEntryBytes} bytes`);
    // Decoding would turn every bad byte into the same U+FFFD, and a changed byte would go unseen.
    if (!isUtf8(bytes)) return this.fail("not-utf8", "its bytes are not UTF-8");
    const { entry, fault } = readEntry(bytes.toString("utf8"));
    if (entry === null) return this.fail(fault.reason, fault.message);
    const bad = this.#wrongSeq(entry) ?? fault ?? this.#wrongHost(entry) ?? this.#wrongPrev(entry);
    if (bad !== null) return this.fail(bad.reason, bad.message, entry.seq);
    this.#host = entry.host;
    this.#firstSeq ??= entry.seq;
    this.#last = { seq: entry.seq, hash: entry.hash };
    this.#entries += 1;
    return null;
  }

  /** Marks the place after the last good entry as bad, for a reason that only the caller may know. */
  fail(reason: BadReason, message: string, claimedSeq: number | null = null): BadEntry {
    const seq = this.#last === null ? claimedSeq : this.#last.seq + 1;
    this.#bad ??= { seq, line: this.#entries + 1, reason, message };
    return this.#bad;
  }

  get bad(): BadEntry | null {
    return this.#bad;
  }

  /** The last good entry. */
  get last(): Head | null {
    return this.#last;
  }

  result(): Verification {
    return {
      ok: this.#bad === null,
      complete: this.#firstSeq === null || this.#firstSeq === 1,
      entries: this.#entries,
      firstSeq: this.#firstSeq,
      lastSeq: this.#last?.seq ?? null,
      headHash: this.#last?.hash ?? null,
      host: this.#host,
      firstBad: this.#bad,
    };
  }

  #wrongSeq(entry: Entry): Fault | null {
    const expected = this.#last === null ? entry.seq : this.#last.seq + 1;
    if (entry.seq === expected) return null;
    return { reason: "wrong-seq", message: `its seq is ${entry.seq}, here must be ${expected}` };
  }

  #wrongHost(entry: Entry): Fault | null {
    if (this.#host === null || entry.host === this.#host) return null;
    return { reason: "wrong-host", message: `it is of host ${entry.host}, the ledger is of ${this.#host}` };
  }

  #wrongPrev(entry: Entry): Fault | null {
    const expected = this.#last?.hash ?? (entry.seq === 1 ? zeroHash : entry.prev);
    if (entry.prev === expected) return null;
    return { reason: "wrong-prev", message: `its prev is ${entry.prev}, the hash before it is ${expected}` };
  }
}

interface Fault {
  readonly reason: BadReason;
  readonly message: string;
}

/** Verifies an export: JSON lines, each the stored bytes of one entry and a newline. Stops reading at the first bad. */
export async function verifyLines(chunks: AsyncIterable<Buffer>): Promise<Verification> {
  const verifier = new ChainVerifier();
  const splitter = new LineSplitter(maxEntryBytes, {
    onLine: (bytes) => void verifier.push(bytes),
    onTooLong: () => void verifier.fail("too-long", `it is longer than ${maxEntryBytes} bytes`),
  });
  for await (const chunk of chunks) {
    splitter.push(chunk);
    if (verifier.bad !== null) return verifier.result();
  }
  if (splitter.unfinishedBytes > 0) {
    verifier.fail("truncated", "the last line has no newline at its end: the export was cut");
  }
  if (verifier.result().entries === 0) verifier.fail("empty", "there is no entry");
  return verifier.result();
}
