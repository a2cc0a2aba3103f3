import { isSignedBy, parseCheckpoint } from "./checkpoint.ts";
import { readEntry } from "./entry.ts";
import { hashBytes, leafHash } from "./merkle.ts";
import { isIncluded, maxProofHashes } from "./merkle-proof.ts";
import { decodeBase64, type Verifier } from "./signed-note.ts";

/** What shows, together with a signed checkpoint, that one entry is in the ledger. */
export interface EntryProof {
  readonly seq: number;
  /** Hash of the entry as a leaf of the tree, in base64. */
  readonly leaf: string;
  /** Size of the tree that it leads to: that of the checkpoint. */
  readonly size: number;
  /** The audit path of RFC 6962 section 2.1.1: hashes in base64, from the leaf upwards. */
  readonly path: readonly string[];
}

/** The hash of an entry's stored text as a leaf of the tree, in base64. */
export function entryLeaf(line: string): string {
  return leafHash(line).toString("base64");
}

/**
 * Why a proof does not show that this entry is in the ledger that the checkpoint was signed over, as a message without a full
 * stop; `null` if it does.
 *
 * @param line the entry's stored text
 * @param checkpoint the signed note (C2SP tlog-checkpoint)
 * @param key whose signature counts
 */
export function faultOfEntryProof(
  line: string,
  proof: EntryProof,
  checkpoint: string,
  key: Verifier,
): string | null {
  const signed = parseCheckpoint(checkpoint);
  if (signed === null) return "the checkpoint is not readable";
  if (!isSignedBy(signed, key)) return `the checkpoint is not signed by ${key.name}`;
  if (signed.size !== proof.size) return `the checkpoint is over ${signed.size} entries, not ${proof.size}`;
  const reading = readEntry(line);
  if (reading.fault !== null) return `the entry is bad: ${reading.fault.message}`;
  if (reading.entry.seq !== proof.seq) return `the entry is number ${reading.entry.seq}, not ${proof.seq}`;
  if (entryLeaf(line) !== proof.leaf) return "the leaf is not that of the entry";
  const path = proof.path.slice(0, maxProofHashes + 1).map(decodeBase64);
  if (path.length > maxProofHashes || !path.every((hash) => hash?.length === hashBytes)) {
    return "the path is not readable";
  }
  const hashes = path.filter((hash) => hash !== null);
  if (isIncluded(leafHash(line), proof.seq - 1, signed.size, hashes, signed.root)) return null;
  return "the path does not lead from the entry to the root of the checkpoint";
}
