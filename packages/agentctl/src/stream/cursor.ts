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
  const found = await readDocument(path);
  if (found === null) return null;
  const { seq, hash } = found;
  if (
    typeof seq === "number" &&
    Number.isSafeInteger(seq) &&
    seq >= 1 &&
    /^[0-9a-f]{64}$/.test(String(hash))
  ) {
    return { seq, hash: String(hash) };
  }
  throw unusable(path, "it is no cursor of ours");
}

async function readDocument(path: string): Promise<Readonly<Record<string, unknown>> | null> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    if (systemCode(cause) === "ENOENT") return null;
    throw unusable(path, `it cannot be read: ${messageOf(cause)}`, cause);
  }
  try {
    const document: Record<string, unknown> = Object(JSON.parse(text));
    if (document.schemaVersion === 1) return document;
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
  await writeDocument(path, { schemaVersion: 1, seq, hash });
}

async function writeDocument(path: string, document: object): Promise<void> {
  try {
    await writeFileAtomic(path, `${JSON.stringify(document)}\n`, 0o600);
  } catch (cause) {
    throw unusable(path, `it cannot be written: ${messageOf(cause)}`, cause);
  }
}

/** Where the lines of one agent are gone on with: what a log's source says of the last one that was acknowledged. */
export interface LogCursor {
  readonly agent: string;
  readonly cursor: string;
}

/**
 * `null` if there is no such file yet.
 *
 * @throws STREAM_E_CURSOR, also for the cursor of another agent
 */
export async function readLogCursor(path: string, agent: string): Promise<LogCursor | null> {
  const found = await readDocument(path);
  if (found === null) return null;
  const { cursor, agent: of } = found;
  if (typeof cursor !== "string" || typeof of !== "string") throw unusable(path, "it is no cursor of logs");
  if (of !== agent) throw unusable(path, `it is of the agent ${of}`);
  return { agent, cursor };
}

/** @throws STREAM_E_CURSOR */
export async function writeLogCursor(path: string, { agent, cursor }: LogCursor): Promise<void> {
  await writeDocument(path, { schemaVersion: 1, agent, cursor });
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
