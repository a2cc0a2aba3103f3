import { type Checkpoint, isSignedBy, parseCheckpoint, type SignedCheckpoint } from "./checkpoint.ts";
import { emptyRoot, hashBytes, type TreeHash } from "./merkle.ts";
import { isConsistent, maxProofHashes } from "./merkle-proof.ts";
import { decodeBase64, type Verifier, verifyNote } from "./signed-note.ts";

/*
 * What a witness decides, as https://c2sp.org/tlog-witness has it. Pure: keeping the record, and keeping two requests from
 * overtaking each other, is up to the server.
 */

/** The body of an `add-checkpoint` request. */
export interface AddCheckpoint {
  readonly oldSize: number;
  readonly proof: readonly TreeHash[];
  readonly checkpoint: SignedCheckpoint;
}

export type WitnessDecision =
  /** To be cosigned, once it is recorded. */
  | { readonly status: 200; readonly checkpoint: SignedCheckpoint }
  | { readonly status: 400 | 403 | 404 | 422; readonly message: string }
  /** The log must prove its consistency from this size on. */
  | { readonly status: 409; readonly size: number };

/** `null` if the body does not have the form that the specification asks for. */
export function parseAddCheckpoint(body: string): AddCheckpoint | null {
  const end = body.indexOf("\n\n");
  if (end === -1) return null;
  const [oldLine = "", ...proofLines] = body.slice(0, end).split("\n");
  const oldText = /^old (0|[1-9]\d{0,15})$/.exec(oldLine)?.[1];
  const oldSize = Number(oldText);
  const checkpoint = parseCheckpoint(body.slice(end + 2));
  if (oldText === undefined || !Number.isSafeInteger(oldSize) || checkpoint === null) return null;
  const proof = proofLines.map(decodeBase64);
  if (proof.length > maxProofHashes) return null;
  if (!proof.every((hash) => hash !== null)) return null;
  return proof.every((hash) => hash.length === hashBytes) ? { oldSize, proof, checkpoint } : null;
}

export function printAddCheckpoint(oldSize: number, proof: readonly TreeHash[], note: string): string {
  return `old ${oldSize}\n${proof.map((hash) => `${hash.toString("base64")}\n`).join("")}\n${note}`;
}

/**
 * Decides on a request, by the last checkpoint that was cosigned for its log (`null`: none).
 *
 * @param log the key of the log that the checkpoint says it is of; `undefined` if it is not known
 */
export function decide(
  { oldSize, proof, checkpoint }: AddCheckpoint,
  log: Verifier | undefined,
  last: Checkpoint | null,
): WitnessDecision {
  if (log === undefined) return { status: 404, message: "unknown log" };
  if (verifyNote(checkpoint.note, log).kind !== "good") {
    return { status: 403, message: "no good signature of the log's key" };
  }
  const { size, root } = checkpoint;
  if (oldSize > size) return { status: 400, message: "the old size is beyond the checkpoint" };
  if (oldSize !== (last?.size ?? 0)) return { status: 409, size: last?.size ?? 0 };
  if (size === 0 && !root.equals(emptyRoot))
    return { status: 422, message: "an empty tree with another root" };
  if (!isConsistent(oldSize, last?.root ?? emptyRoot, size, root, proof)) {
    return { status: 422, message: "the checkpoint is not consistent with the one that was cosigned before" };
  }
  return { status: 200, checkpoint };
}

/** The record that a witness has kept of a log, if it is still one: signed by the log and by the witness itself. */
export function readRecord(text: string, log: Verifier, witness: Verifier): SignedCheckpoint | null {
  const checkpoint = parseCheckpoint(text);
  if (checkpoint === null || checkpoint.origin !== log.name) return null;
  return isSignedBy(checkpoint, log) && isSignedBy(checkpoint, witness) ? checkpoint : null;
}
