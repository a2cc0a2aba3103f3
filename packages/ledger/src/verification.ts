import type { Selection } from "./export-format.ts";
import type { TrustLevel } from "./trust.ts";
import type { ChainVerification } from "./verify.ts";

/** What a witness has been shown to have seen. */
export interface WitnessedSize {
  /** The witness's name; of a checkpoint in a witness file, the origin of the log. */
  readonly name: string;
  readonly size: number;
  /** When it says that it saw it, RFC 3339; `null` where it does not say. */
  readonly time: string | null;
}

export interface Verification extends ChainVerification {
  /**
   * All of the ledger; a range of it from which nothing was left out; or a selection, which proves what it holds and not
   * that nothing else would have belonged in it.
   */
  readonly extent: "complete" | "range" | "selection";
  /** What the export says it was asked for. */
  readonly selection: Selection | null;
  readonly trustLevel: TrustLevel;
  /** Entries of the ledger that this is all or a part of, as far as it says. */
  readonly treeSize: number;
  /** How many of them the log's key has signed, and how many a witness has seen. */
  readonly signed: number;
  readonly witnessed: number;
  /** The rest: what nobody outside the host would miss. */
  readonly unwitnessed: number;
  readonly witnesses: readonly WitnessedSize[];
  /**
   * Of a directory: up to which entry it was pruned, so that only the tree is left; 0 if it was not. An export shows what it does not
   * hold as a gap, for whatever reason.
   */
  readonly pruned: number;
  /** Of a directory: payloads that are there and are what their entries commit to. An export holds none. */
  readonly payloads: number;
  /** Of a directory: the entries whose payloads were erased, as the ledger says. */
  readonly erased: readonly number[];
  /** Entries that bear an earlier time than the one before: the host's clock was turned back. No fault of the ledger. */
  readonly clockSteps: number;
}
