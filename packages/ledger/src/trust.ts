import { parseCheckpoint, type SignedCheckpoint } from "./checkpoint.ts";
import { parseProofLine } from "./export-format.ts";
import { keyType, parseVerifier, type Verifier } from "./signed-note.ts";

/** What a verification may rely on, besides what it is given to verify. All of it must come from somewhere else. */
export interface Trust {
  /** The log's public key. */
  readonly key: Verifier | null;
  readonly witness: WitnessRecord | null;
}

/** What is known from witnesses. */
export interface WitnessRecord {
  /** Keys whose cosignatures count. */
  readonly verifiers: readonly Verifier[];
  /** Checkpoints that were seen outside the host. */
  readonly seen: readonly SignedCheckpoint[];
}

export const noTrust: Trust = { key: null, witness: null };

/** How far a verification has come: what it would take to deceive it. */
export type TrustLevel =
  /** Nothing but a good chain: whoever owns the disk could have made it. */
  | "chain"
  /** The log's key has signed it: whoever has the key could have made it. */
  | "signed"
  /** Somebody outside the host has seen it: host and witness would have to agree on it. */
  | "witnessed";

/** One line of a witness file; `null` for what says nothing (an entry, a comment, an empty line). */
export type WitnessLine =
  | { readonly kind: "verifier"; readonly verifier: Verifier }
  | { readonly kind: "seen"; readonly checkpoint: SignedCheckpoint }
  | { readonly kind: "bad" }
  | null;

/**
 * Reads one line of a witness file: a vkey, or a checkpoint as a line of JSON, which an append-only file of checkpoints and
 * an export alike are made of.
 */
export function readWitnessLine(bytes: Buffer): WitnessLine {
  const proof = parseProofLine(bytes);
  // A power cut may have torn a line of an append-only file, which nobody can mend.
  if (proof?.kind === "bad") return null;
  if (proof?.kind === "checkpoint") {
    const checkpoint = parseCheckpoint(proof.text);
    return checkpoint === null ? { kind: "bad" } : { kind: "seen", checkpoint };
  }
  if (proof !== null) return null;
  const text = bytes.toString("utf8").trim();
  if (text === "" || text.startsWith("#") || text.startsWith('{"action":')) return null;
  const verifier = parseVerifier(text);
  return verifier?.type === keyType.cosignature ? { kind: "verifier", verifier } : { kind: "bad" };
}
