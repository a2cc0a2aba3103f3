import { randomBytes } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { messageOf, systemCode, writeFileAtomic } from "@daruma/base";
import { ledgerErrors } from "./catalogue.ts";
import { type keyType, makeSigner, parseSigner, printSigner, type Signer } from "./signed-note.ts";

type KeyType = (typeof keyType)[keyof typeof keyType];

export interface KeyPlace {
  /** Directory of the two files: `signing-key` for nobody else's eyes, `public-key` to be given away. */
  readonly directory: string;
  readonly name: string;
  readonly type: KeyType;
}

/** Where a daemon's keys are in its directory. */
export function keyPaths(directory: string) {
  return { private: join(directory, "signing-key"), public: join(directory, "public-key") };
}

/**
 * The key in `place`, or `null` if there is none.
 *
 * @throws LEDGER_E_KEY if it is unreadable, of another name or kind, or open to other users
 */
export async function readKey({ directory, name, type }: KeyPlace): Promise<Signer | null> {
  const file = keyPaths(directory).private;
  let text: string;
  try {
    const { mode } = await stat(file);
    if ((mode & 0o077) !== 0) throw unusable(file, "other users may read or write it");
    text = await readFile(file, "utf8");
  } catch (error) {
    if (systemCode(error) === "ENOENT") return null;
    if (systemCode(error) === undefined) throw error;
    throw unusable(file, messageOf(error));
  }
  const signer = parseSigner(text.trimEnd());
  if (signer === null) throw unusable(file, "it holds no private key");
  if (signer.verifier.name === name && signer.verifier.type === type) return signer;
  throw unusable(file, `it is the key of ${signer.verifier.name}, not of ${name}`);
}

/**
 * Makes a new key.
 *
 * @throws LEDGER_E_KEY if it cannot be written
 */
export async function createKey({ directory, name, type }: KeyPlace): Promise<Signer> {
  const signer = makeSigner(name, type, randomBytes(32));
  await write(keyPaths(directory).private, printSigner(signer), 0o600);
  return signer;
}

/**
 * Writes the public key beside the private one, also where a start was cut short between the two.
 *
 * @throws LEDGER_E_KEY if it cannot be written
 */
export async function keepPublicKey(directory: string, { verifier }: Signer): Promise<void> {
  const file = keyPaths(directory).public;
  const text = await readFile(file, "utf8").catch(() => "");
  if (text.trimEnd() !== verifier.vkey) await write(file, verifier.vkey, 0o644);
}

async function write(file: string, line: string, mode: number): Promise<void> {
  try {
    await writeFileAtomic(file, `${line}\n`, mode);
  } catch (error) {
    throw unusable(file, messageOf(error));
  }
}

function unusable(file: string, why: string) {
  return ledgerErrors.make("LEDGER_E_KEY", `the signing key ${file} cannot be used: ${why}`, { where: file });
}
