import { originOf, parseCheckpoint, type SignedCheckpoint } from "./checkpoint.ts";
import type { Head } from "./entry.ts";
import type { Gap, ProofLine, Selection } from "./export-format.ts";
import { coverOf, emptyRoot, Frontier, leafHash } from "./merkle.ts";
import { hashesOf, type Segment } from "./segment.ts";
import { verifyNote } from "./signed-note.ts";
import { noTrust, type Trust } from "./trust.ts";
import type { Verification, WitnessedSize } from "./verification.ts";
import { type BadEntry, type BadReason, ChainVerifier, type CheckedEntry, checkEntry } from "./verify.ts";

/**
 * Verifies entries, what was left out between them, and the checkpoints over them, in the order of the tree and in bounded
 * memory. Never throws, whatever it is fed.
 */
export class EvidenceVerifier {
  readonly #chain = new ChainVerifier();
  readonly #trust: Trust;
  readonly #seen: readonly SignedCheckpoint[];
  #tree: Frontier | null = new Frontier();
  #nextSeen = 0;
  #selection: Selection | null = null;
  #edges: { readonly first: string; readonly last: string; readonly gapBefore: boolean } | null = null;
  #gapAfter = false;
  #interiorGap = false;
  #checked = 0;
  #signed = 0;
  #witnesses: WitnessedSize[] = [];
  #lastTime = "";
  #clockSteps = 0;

  constructor(trust: Trust = noTrust) {
    this.#trust = trust;
    this.#seen = [...(trust.witness?.seen ?? [])].sort((a, b) => a.size - b.size);
  }

  get bad(): BadEntry | null {
    return this.#chain.bad;
  }

  /** The last good entry. */
  get last(): Head | null {
    return this.#chain.last;
  }

  /** Marks the place after the last good entry as bad. */
  fail(reason: BadReason, message: string, claimedSeq: number | null = null): BadEntry {
    return this.#chain.fail(reason, message, claimedSeq);
  }

  /** Marks entry `seq` as the first that cannot be relied on, though it was read before. */
  failAt(seq: number, reason: BadReason, message: string): BadEntry {
    return this.#chain.failAt(seq, reason, message);
  }

  /** Takes the stored bytes of the next entry. */
  push(bytes: Buffer): BadEntry | null {
    return this.accept(checkEntry(bytes), () => leafHash(bytes));
  }

  /** Like `push`, for an entry that was checked and hashed elsewhere. */
  accept(checked: CheckedEntry, leaf: () => Buffer): BadEntry | null {
    const bad = this.#chain.accept(checked);
    if (bad !== null || checked.entry === null) return bad;
    const { seq, time } = checked.entry;
    if (time < this.#lastTime) this.#clockSteps += 1;
    this.#noteEntry(seq, time);
    if (this.#tree === null) return null;
    // Where neither the first entry nor a gap from there on begins, the tree cannot be known.
    if (this.#tree.size !== seq - 1) this.#tree = null;
    this.#tree?.push(leaf());
    return this.#compareSeen();
  }

  /**
   * Takes a run of good entries at once. Not if it does not follow, or if something was seen outside in the middle of it:
   * then it returns false, nothing has happened, and the entries must be pushed one by one.
   */
  acceptSegment(segment: Segment): boolean {
    const { first, last, clockSteps, nodes } = segment;
    const range = { from: first.seq - 1, to: last.seq };
    const tree = this.#tree;
    if (tree?.size !== range.from || this.#seen.some(({ size }) => size > range.from && size < range.to))
      return false;
    if (!this.#chain.acceptSegment(segment)) return false;
    if (first.time < this.#lastTime) this.#clockSteps += 1;
    this.#clockSteps += clockSteps;
    this.#noteEntry(first.seq, first.time);
    this.#noteEntry(last.seq, last.time);
    const hashes = hashesOf(nodes);
    for (const [index, { level }] of coverOf(range).entries()) tree.push(hashes[index] ?? emptyRoot, level);
    this.#compareSeen();
    return true;
  }

  proof(line: ProofLine): BadEntry | null {
    if (this.#chain.bad !== null) return this.#chain.bad;
    switch (line.kind) {
      case "bad":
        return this.#chain.fail("bad-proof", line.message);
      case "selection":
        return this.#take(line.selection);
      case "gap":
        return this.#gap(line.gap);
      case "checkpoint":
        return this.#checkpoint(line.text);
    }
  }

  /** Ends an export, whose last checkpoint must be over all of it if there is any. */
  finishExport(): Verification {
    const size = this.#tree?.size ?? 0;
    const isProven =
      this.#checked > 0 || this.#gapAfter || this.#interiorGap || this.#edges?.gapBefore === true;
    if (this.#chain.bad === null && this.#chain.result().entries === 0 && size === 0) {
      this.#chain.fail("empty", "there is no entry");
    }
    if (isProven && this.#tree !== null && this.#checked < size) {
      const message = `its last checkpoint is over ${this.#checked} entries of ${size}: the export was cut`;
      this.#chain.failAt(this.#checked + 1, "truncated", message);
    }
    this.#checkRange();
    return this.finish();
  }

  /** Ends whatever was verified, and tells how far it can be trusted. */
  finish(): Verification {
    this.#checkTrust();
    const chain = this.#chain.result();
    const treeSize = Math.max(this.#tree?.size ?? 0, chain.lastSeq ?? 0);
    const witnessed = Math.max(0, ...this.#witnesses.map(({ size }) => size));
    const extent = chain.complete ? "complete" : this.#interiorGap ? "selection" : "range";
    return {
      ...chain,
      extent,
      selection: this.#selection,
      trustLevel: witnessed > 0 ? "witnessed" : this.#signed > 0 ? "signed" : "chain",
      treeSize,
      signed: this.#signed,
      witnessed,
      unwitnessed: treeSize - witnessed,
      witnesses: this.#witnesses,
      pruned: 0,
      payloads: 0,
      erased: [],
      clockSteps: this.#clockSteps,
    };
  }

  #take(selection: Selection): BadEntry | null {
    const isFirst = this.#selection === null && this.#edges === null && this.#tree?.size === 0;
    if (!isFirst) return this.#chain.fail("bad-proof", "what was asked for stands in the first line only");
    this.#selection = selection;
    this.#chain.countLine();
    return null;
  }

  #noteEntry(seq: number, time: string): void {
    this.#lastTime = time;
    if (this.#gapAfter && this.#edges !== null) this.#interiorGap = true;
    this.#edges = {
      first: this.#edges?.first ?? time,
      last: time,
      gapBefore: this.#edges?.gapBefore ?? seq > 1,
    };
    this.#gapAfter = false;
  }

  #gap({ from, to, nodes }: Gap): BadEntry | null {
    if (this.#tree?.size !== from - 1)
      return this.#chain.fail("bad-proof", `a gap from ${from} on does not belong here`);
    for (const [index, { level }] of coverOf({ from: from - 1, to }).entries()) {
      const node = nodes[index];
      if (node !== undefined) this.#tree.push(node, level);
    }
    this.#chain.skip(to);
    this.#gapAfter = true;
    return this.#compareSeen();
  }

  #checkpoint(text: string): BadEntry | null {
    const checkpoint = parseCheckpoint(text);
    if (checkpoint === null) return this.#chain.fail("bad-proof", "a checkpoint is not readable");
    const { size, origin, root } = checkpoint;
    if (this.#tree?.size !== size) {
      return this.#chain.fail("bad-proof", `a checkpoint over ${size} entries does not belong here`);
    }
    const { host } = this.#chain;
    const next = this.#checked + 1;
    if (host !== null && origin !== originOf(host)) {
      return this.#chain.failAt(next, "wrong-host", `the checkpoint over ${size} entries is of ${origin}`);
    }
    if (!root.equals(this.#tree.root())) {
      const message = `the first ${size} entries are not those of the checkpoint over them, those up to ${this.#checked} are`;
      return this.#chain.failAt(next, "wrong-root", message);
    }
    const bad = this.#signatures(checkpoint);
    if (bad !== null) return bad;
    this.#checked = size;
    this.#chain.countLine();
    return null;
  }

  #signatures({ size, note }: SignedCheckpoint): BadEntry | null {
    const { key, witness } = this.#trust;
    for (const verifier of [...(key === null ? [] : [key]), ...(witness?.verifiers ?? [])]) {
      const signed = verifyNote(note, verifier);
      if (signed.kind === "bad") {
        const message = `the signature of ${verifier.name} on the checkpoint over ${size} entries is bad`;
        return this.#chain.failAt(this.#checked + 1, "wrong-signature", message);
      }
      if (signed.kind === "absent") continue;
      if (verifier === key) this.#signed = size;
      else this.#witness(verifier.name, size, new Date(signed.timeSeconds * 1000).toISOString());
    }
    return null;
  }

  /** Compares with what was seen outside, wherever the tree has exactly that size. */
  #compareSeen(): BadEntry | null {
    const size = this.#tree?.size ?? 0;
    for (let seen = this.#seen[this.#nextSeen]; seen !== undefined; seen = this.#seen[this.#nextSeen]) {
      if (seen.size > size) break;
      this.#nextSeen += 1;
      if (seen.size < size || this.#tree === null || !this.#isOfThisLog(seen)) continue;
      if (!seen.root.equals(this.#tree.root())) {
        const known = Math.max(0, ...this.#witnesses.map((one) => one.size));
        const message = `the first ${size} entries are not those that were seen outside; up to ${known} they are`;
        return this.#chain.failAt(known + 1, "forked", message);
      }
      this.#witness(seen.origin, size, null);
    }
    return null;
  }

  #isOfThisLog({ origin }: SignedCheckpoint): boolean {
    const { host } = this.#chain;
    // A selection may hold no entry that says whose ledger it is.
    const expected = host === null ? this.#trust.key?.name : originOf(host);
    return expected === undefined || origin === expected;
  }

  #witness(name: string, size: number, time: string | null): void {
    this.#witnesses = [...this.#witnesses.filter((one) => one.name !== name), { name, size, time }];
  }

  /** A range says since when and until when it is: one entry before and one after show that nothing was left out. */
  #checkRange(): void {
    const { since, until, ...filters } = this.#selection ?? {};
    if (this.#chain.bad !== null || Object.keys(filters).length > 0) return;
    if (since === undefined && until === undefined) return;
    const fail = (why: string) => void this.#chain.failAt(this.#chain.result().firstSeq, "left-out", why);
    if (this.#interiorGap) return fail("entries are left out within the range");
    const { first = "", last = "", gapBefore = false } = this.#edges ?? {};
    const before = gapBefore && (since === undefined || first >= since);
    const after = this.#gapAfter && (until === undefined || last <= until);
    if (before || after || this.#edges === null) fail("it does not show where the range begins and ends");
  }

  #checkTrust(): void {
    if (this.#chain.bad !== null) return;
    const { key, witness } = this.#trust;
    const size = this.#tree?.size ?? 0;
    const beyond = this.#seen.findLast((seen) => this.#isOfThisLog(seen));
    if (beyond !== undefined && this.#tree !== null && beyond.size > size) {
      const message = `it ends at entry ${size}, but ${beyond.size} were seen outside: the end was cut off, or this is older`;
      this.#chain.failAt(size + 1, "cut", message);
    }
    if (key !== null && this.#signed === 0) {
      this.#chain.failAt(1, "unsigned", `there is no checkpoint that ${key.name} (${key.id}) has signed`);
    }
    if (witness !== null && this.#witnesses.length === 0) {
      this.#chain.failAt(1, "unwitnessed", "none of it is known to the witness");
    }
  }
}
