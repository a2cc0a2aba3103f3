import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { messageOf } from "@daruma/base";
import { ledgerErrors } from "./catalogue.ts";
import { parseCheckpoint, type SignedCheckpoint } from "./checkpoint.ts";
import { maxProofLineBytes } from "./export-format.ts";
import { LineSplitter } from "./lines.ts";
import { keyType, maxNoteBytes, parseVerifier, type Verifier } from "./signed-note.ts";
import { readWitnessLine, type WitnessRecord } from "./trust.ts";

/**
 * Reads a log's public key: one line, a vkey.
 *
 * @throws LEDGER_E_KEY
 */
export async function readVerifier(file: string): Promise<Verifier> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw ledgerErrors.make("LEDGER_E_KEY", `the key ${file} cannot be read: ${messageOf(error)}`, {
      where: file,
    });
  });
  const verifier = parseVerifier(text.trim());
  if (verifier?.type === keyType.note) return verifier;
  const message = `${file} holds no public key of a ledger`;
  throw ledgerErrors.make("LEDGER_E_KEY", message, { where: file });
}

/**
 * Reads what is known from witnesses: one checkpoint as a witness serves it, or lines of vkeys and checkpoints.
 *
 * @throws LEDGER_E_WITNESS_FILE
 */
export async function readWitnessFile(file: string): Promise<WitnessRecord> {
  const verifiers: Verifier[] = [];
  const seen: SignedCheckpoint[] = [];
  const head: Buffer[] = [];
  let headBytes = 0;
  let line = 0;
  let badLine: number | null = null;
  const bad = () => {
    line += 1;
    badLine ??= line;
  };
  const take = (bytes: Buffer) => {
    const read = readWitnessLine(bytes);
    if (read?.kind === "bad") return bad();
    line += 1;
    if (read?.kind === "verifier") verifiers.push(read.verifier);
    if (read?.kind === "seen") seen.push(read.checkpoint);
  };
  const lines = new LineSplitter(maxProofLineBytes, { onLine: take, onTooLong: bad });
  try {
    for await (const chunk of createReadStream(file)) {
      lines.push(chunk as Buffer);
      if (headBytes <= maxNoteBytes) head.push(chunk as Buffer);
      headBytes += (chunk as Buffer).length;
    }
    if (lines.unfinishedBytes > 0) lines.push(Buffer.from("\n"));
  } catch (error) {
    throw unusable(file, messageOf(error));
  }
  const single = headBytes <= maxNoteBytes ? parseCheckpoint(Buffer.concat(head).toString("utf8")) : null;
  if (single !== null) return { verifiers: [], seen: [single] };
  if (badLine !== null) throw unusable(file, `line ${badLine} is neither a witness's key nor a checkpoint`);
  if (verifiers.length + seen.length === 0)
    throw unusable(file, "there is neither a witness's key nor a checkpoint in it");
  return { verifiers, seen };
}

function unusable(file: string, why: string) {
  return ledgerErrors.make("LEDGER_E_WITNESS_FILE", `the witness file ${file} cannot be used: ${why}`, {
    where: file,
  });
}
