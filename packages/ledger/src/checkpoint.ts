import { hashBytes, type TreeHash } from "./merkle.ts";
import {
  decodeBase64,
  type Note,
  parseNote,
  printNote,
  type Signer,
  signText,
  type Verifier,
  verifyNote,
} from "./signed-note.ts";

/** What a checkpoint states: that the log's first `size` entries have this tree. https://c2sp.org/tlog-checkpoint */
export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: TreeHash;
}

/** A checkpoint with its signatures. */
export interface SignedCheckpoint extends Checkpoint {
  readonly note: Note;
}

/** The name of a host's ledger among all logs; also the name of its key. */
export function originOf(host: string): string {
  return `daruma/${encodeURIComponent(host)}`;
}

export function printCheckpoint({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${root.toString("base64")}\n`;
}

/** Signs a checkpoint with the log's key. Returns the whole note. */
export function signCheckpoint(signer: Signer, checkpoint: Checkpoint): string {
  const text = printCheckpoint(checkpoint);
  return printNote({ text, signatures: [signText(signer, text)] });
}

/** `null` if the note is not a checkpoint. Checks no signature. Extension lines are let pass, and mean nothing here. */
export function parseCheckpoint(text: string): SignedCheckpoint | null {
  const note = parseNote(text);
  if (note === null) return null;
  const [origin = "", sizeText = "", rootText = "", ...extensions] = note.text.slice(0, -1).split("\n");
  const root = decodeBase64(rootText);
  const size = Number(sizeText);
  if (origin === "" || extensions.includes("")) return null;
  if (!/^(0|[1-9]\d{0,15})$/.test(sizeText) || !Number.isSafeInteger(size)) return null;
  if (root?.length !== hashBytes) return null;
  return { origin, size, root, note };
}

/** Whether the log's own key has signed it. */
export function isSignedBy(checkpoint: SignedCheckpoint, verifier: Verifier): boolean {
  return verifyNote(checkpoint.note, verifier).kind === "good";
}
