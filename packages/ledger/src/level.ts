import { constants } from "node:fs";
import { access, readdir } from "node:fs/promises";
import { join } from "node:path";
import { type DarumaError, messageOf, systemCode } from "@daruma/base";
import type { Level } from "level";
import { ledgerErrors } from "./catalogue.ts";

export type LedgerDb = Level<string, string>;

/** Version of the layout below. A release refuses any other. */
export const storeFormat = 1;

/** Keys in LevelDB. Entries sort by seq: 14 hex digits hold 2^53 - 1. */
export const storeKeys = {
  meta: "meta",
  head: "head",
  writer: (name: string) => `writer!${name}`,
  entry: (seq: number) => `entry!${seq.toString(16).padStart(14, "0")}`,
  /** Bounds of all entries and of all writers, both exclusive. */
  entries: { gt: "entry!", lt: 'entry"' },
  writers: { gt: "writer!", lt: 'writer"' },
} as const;

/**
 * Opens the LevelDB in `directory`.
 *
 * @throws LEDGER_E_LOCKED, LEDGER_E_READ_ONLY, LEDGER_E_DAMAGED, LEDGER_E_UNUSABLE
 */
export async function openLevel(directory: string, create: boolean): Promise<LedgerDb> {
  // Loaded on demand: the client and the verifier of exports work without the native module.
  const { Level } = await import("level");
  const db: LedgerDb = new Level(directory, { keyEncoding: "utf8", valueEncoding: "utf8" });
  try {
    await access(directory, constants.W_OK | constants.X_OK);
    await db.open({ createIfMissing: create });
    return db;
  } catch (error) {
    throw openError(directory, error);
  }
}

/**
 * Whether LevelDB would find a database in `directory`.
 *
 * @throws LEDGER_E_DAMAGED if there are the files of one, but not its CURRENT: LevelDB would start a new one and delete
 *   them.
 */
export async function hasLevel(directory: string): Promise<boolean> {
  const names: readonly string[] = await readdir(directory).catch((error: unknown) => {
    if (systemCode(error) === "ENOENT") return [];
    throw error;
  });
  if (names.includes("CURRENT")) return true;
  // LevelDB writes MANIFEST-000001 before CURRENT: alone, it is a first start that was cut short.
  const orphan = names.find(
    (name) => /\.(log|ldb|sst)$/.test(name) || (name.startsWith("MANIFEST-") && name !== "MANIFEST-000001"),
  );
  if (orphan === undefined) return false;
  throw ledgerErrors.make(
    "LEDGER_E_DAMAGED",
    `the file CURRENT is missing in ${directory}, where ${orphan} still is`,
    { where: join(directory, "CURRENT") },
  );
}

/** Turns whatever opening or preparing the store threw into one of our errors. */
export function openError(directory: string, error: unknown): DarumaError {
  // Level says only that the database is not open; what happened is the cause.
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const why = messageOf(cause);
  const details = { where: directory, cause };
  switch (systemCode(cause)) {
    case "LEVEL_LOCKED":
      return ledgerErrors.make(
        "LEDGER_E_LOCKED",
        `another process has the ledger in ${directory} open`,
        details,
      );
    case "LEVEL_CORRUPTION":
      return ledgerErrors.make("LEDGER_E_DAMAGED", `LevelDB cannot read ${directory}: ${why}`, details);
    case "EACCES":
    case "EPERM":
    case "EROFS":
    case "ENOTDIR":
    case "EEXIST":
      return ledgerErrors.make("LEDGER_E_READ_ONLY", `the ledger cannot be written: ${why}`, details);
    default:
      // LevelDB passes on the system's text, not its code (strerror(3)).
      if (/(Permission denied|Read-only file system|Operation not permitted)$/.test(why)) {
        return ledgerErrors.make("LEDGER_E_READ_ONLY", `the ledger cannot be written: ${why}`, details);
      }
      return ledgerErrors.make(
        "LEDGER_E_UNUSABLE",
        `the ledger in ${directory} cannot be opened: ${why}`,
        details,
      );
  }
}
