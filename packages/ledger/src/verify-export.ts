import { open, stat } from "node:fs/promises";
import { messageOf, systemCode } from "@daruma/base";
import { ledgerErrors } from "./catalogue.ts";
import { noTrust, type Trust } from "./trust.ts";
import type { Verification } from "./verification.ts";
import { verifyDirectory } from "./verify-directory.ts";
import { verifyLines } from "./verify-lines.ts";
import { VerifyPool } from "./verify-pool.ts";

/** From this size on it pays to start other threads. */
const parallelBytes = 8 * 1024 * 1024;

const chunkBytes = 256 * 1024;

/**
 * Verifies an export (or any JSON lines of stored entries) in bounded memory.
 *
 * @throws LEDGER_E_NOT_FOUND, LEDGER_E_UNUSABLE if the file cannot be read; what is in it is never thrown but told.
 */
export async function verifyExport(file: string, trust: Trust = noTrust): Promise<Verification> {
  try {
    const { size } = await stat(file);
    const chunks = readChunks(file);
    if (size < parallelBytes) return await verifyLines(chunks, trust);
    const pool = new VerifyPool();
    try {
      return await verifyLines(chunks, trust, pool);
    } finally {
      await pool.close();
    }
  } catch (cause) {
    if (systemCode(cause) === "ENOENT") throw notFound(file, `there is no file ${file}`);
    if (systemCode(cause) === "EISDIR") throw notFound(file, `${file} is a directory, not an export`);
    const message = `the export ${file} cannot be read: ${messageOf(cause)}`;
    throw ledgerErrors.make("LEDGER_E_UNUSABLE", message, { where: file, cause });
  }
}

/** The file, a chunk at a time; a chunk is only valid until the next one is asked for. */
async function* readChunks(file: string): AsyncGenerator<Buffer, void, undefined> {
  const handle = await open(file);
  try {
    const memory = Buffer.allocUnsafeSlow(chunkBytes);
    for (;;) {
      const { bytesRead } = await handle.read(memory, 0, chunkBytes, null);
      if (bytesRead === 0) return;
      yield memory.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

/** Verifies whatever is at `path`: ledgerd's directory, or an export. */
export async function verifyPath(path: string, trust: Trust = noTrust): Promise<Verification> {
  const found = await stat(path).catch(() => null);
  return found?.isDirectory() ? await verifyDirectory(path, trust) : await verifyExport(path, trust);
}

function notFound(file: string, message: string) {
  return ledgerErrors.make("LEDGER_E_NOT_FOUND", message, { where: file });
}
