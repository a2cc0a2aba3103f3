import { readFile } from "node:fs/promises";
import { messageOf, systemCode, writeFileAtomic } from "@daruma/base";
import { ledgerStatus, readEntries } from "@daruma/ledger";
import { agentctlErrors } from "../catalogue.ts";
import type { Position } from "./sink.ts";

/**
 * The last entry that was acknowledged; `null` if there is no such file yet.
 *
 * @throws STREAM_E_CURSOR
 */
export async function readCursor(path: string): Promise<Position | null> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    if (systemCode(cause) === "ENOENT") return null;
    throw unusable(path, `it cannot be read: ${messageOf(cause)}`, cause);
  }
  try {
    const { schemaVersion, seq, hash } = JSON.parse(text);
    if (schemaVersion === 1 && Number.isSafeInteger(seq) && seq >= 1 && /^[0-9a-f]{64}$/.test(hash)) {
      return { seq, hash };
    }
  } catch {
    // Said below, for whatever is no cursor.
  }
  throw unusable(path, "it is no cursor of ours");
}

/**
 * After a crash the file holds the old position or the new one.
 *
 * @throws STREAM_E_CURSOR
 */
export async function writeCursor(path: string, { seq, hash }: Position): Promise<void> {
  try {
    await writeFileAtomic(path, `${JSON.stringify({ schemaVersion: 1, seq, hash })}\n`, 0o600);
  } catch (cause) {
    throw unusable(path, `it cannot be written: ${messageOf(cause)}`, cause);
  }
}

/**
 * A cursor that names another entry than the ledger has was written over another ledger: to go on from there would leave
 * entries out without a word.
 *
 * @throws STREAM_E_CURSOR, and what readEntries throws
 */
export async function checkCursor(path: string, cursor: Position, socket: string): Promise<void> {
  const { head } = await ledgerStatus({ socket });
  if (head.seq < cursor.seq) {
    throw unusable(path, `it is at entry ${cursor.seq}, and the ledger ends at ${head.seq}`);
  }
  for await (const { entry } of readEntries({ socket, after: cursor.seq - 1, limit: 1 })) {
    if (entry.seq === cursor.seq && entry.hash === cursor.hash) return;
    throw unusable(path, `it is at another entry ${cursor.seq} than the ledger has`);
  }
}

function unusable(path: string, why: string, cause?: unknown): Error {
  return agentctlErrors.make("STREAM_E_CURSOR", `the cursor ${path}: ${why}`, { where: path, cause });
}
