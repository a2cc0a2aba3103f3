import { constants } from "node:fs";
import { access, mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { isDarumaError, syncDirectory } from "@daruma/base";
import { ledgerErrors } from "./catalogue.ts";
import { checkStore, type StoreState } from "./check.ts";
import { type HeadFile, openHeadFile, readHeadFile } from "./head-file.ts";
import { forgetAllLogs, forgetLogs, keepLogs } from "./kept-logs.ts";
import { hasLevel, type LedgerDb, openError, openLevel } from "./level.ts";

/** Where things are in a ledger's directory. */
export function storePaths(directory: string) {
  return {
    level: join(directory, "entries"),
    head: join(directory, "head"),
    keptLogs: join(directory, "before-open"),
  };
}

/** A store that has proven good, and what it holds. */
export interface Opened {
  readonly db: LedgerDb;
  readonly headFile: HeadFile;
  readonly state: StoreState;
}

/**
 * Opens all parts of a store and checks them. Nothing is repaired or cut.
 *
 * @param host `null` for whichever the ledger belongs to; then there must be one
 * @throws LEDGER_E_LOCKED, LEDGER_E_READ_ONLY, LEDGER_E_DAMAGED, LEDGER_E_FORMAT, LEDGER_E_OTHER_HOST, LEDGER_E_UNUSABLE,
 *   LEDGER_E_NOT_FOUND
 */
export async function openParts(directory: string, host: string | null): Promise<Opened> {
  const paths = storePaths(directory);
  let kept: readonly string[] = [];
  let db: LedgerDb | null = null;
  try {
    if (host === null) await checkOwn(directory, paths.level);
    else await mkdir(paths.level, { recursive: true, mode: 0o700 });
    const headOnFile = await readHeadFile(paths.head);
    await checkWritable([directory, paths.level, ...(headOnFile === null ? [] : [paths.head])]);
    const exists = await hasLevel(paths.level);
    if (!exists && headOnFile !== null && headOnFile.seq > 0) {
      throw ledgerErrors.make(
        "LEDGER_E_DAMAGED",
        `the entries in ${paths.level} are gone, but the head file knows ${headOnFile.seq} of them`,
        { where: paths.level },
      );
    }
    kept = await keepLogs(paths.level, paths.keptLogs);
    db = await openLevel(paths.level, !exists);
    const state = await checkStore(db, headOnFile, host);
    const headFile = await openHeadFile(paths.head, state.chain.head);
    await forgetAllLogs(paths.keptLogs);
    if (!exists) await syncDirectory(directory);
    return { db, headFile, state };
  } catch (error) {
    const told = isDarumaError(error) ? error : openError(directory, error);
    await db?.close();
    // Once LevelDB has opened, only a start that finds all in order may forget what was there before.
    if (db === null && told.code !== "LEDGER_E_DAMAGED") await forgetLogs(paths.keptLogs, kept);
    throw told;
  }
}

/** What root writes here, ledgerd's own user could not open again. */
async function checkOwn(directory: string, level: string): Promise<void> {
  if (!(await hasLevel(level))) {
    throw ledgerErrors.make("LEDGER_E_NOT_FOUND", `there is no ledger in ${directory}`, { where: directory });
  }
  const { uid } = await stat(level);
  if (uid === process.getuid?.()) return;
  throw ledgerErrors.make(
    "LEDGER_E_READ_ONLY",
    `the ledger in ${directory} belongs to user ${uid}, who alone may write in it`,
    { where: directory, hint: `Run this as that user: \`sudo -u '#${uid}' agentctl ledger reindex …\`.` },
  );
}

/** Found out before LevelDB opens: it writes as soon as it does. */
async function checkWritable(paths: readonly string[]): Promise<void> {
  for (const path of paths) await access(path, constants.W_OK);
}

export async function closeParts(opened: Opened): Promise<void> {
  try {
    await opened.headFile.close();
  } finally {
    await opened.db.close();
  }
}
