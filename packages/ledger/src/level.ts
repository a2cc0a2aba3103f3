import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type DarumaError, messageOf, systemCode } from "@daruma/base";
import type { Level } from "level";
import { ledgerErrors } from "./catalogue.ts";

export type LedgerDb = Level<string, string>;

/** Version of the layout below. A release refuses any other. */
export const storeFormat = 1;

const hexOf = (number: number) => number.toString(16).padStart(14, "0");

/** Keys in LevelDB. Numbers sort as text: 14 hex digits hold 2^53 - 1. */
export const storeKeys = {
  meta: "meta",
  head: "head",
  writer: (name: string) => `writer!${name}`,
  entry: (seq: number) => `entry!${hexOf(seq)}`,
  /** The hashes of 256 leaves of the tree. */
  tile: (index: number) => `tile!${hexOf(index)}`,
  /** The root of a perfect subtree of 2^`level` leaves, for levels 8, 16, … */
  node: (level: number, index: number) => `node!${String(level).padStart(2, "0")}!${hexOf(index)}`,
  /** The size of the checkpoint that a witness has taken last. */
  witness: (name: string) => `witness!${name}`,
  /** The salt and the payload that an entry commits to. */
  payload: (seq: number) => `payload!${hexOf(seq)}`,
  checkpoint: (size: number) => `checkpoint!${hexOf(size)}`,
  /** The last entry that was pruned, as a head; missing while none was. */
  pruned: "pruned",
  /** Up to which entry what was pruned has been deleted. */
  dropped: "dropped",
  /** How many entries, from the first one on, the index covers, and the form in which it is (`indexForm`). */
  indexed: "indexed",
  /** A block of the index; labels hold no control characters, so no value is mistaken for the beginning of another. */
  posting: (label: string, value: string, block: number) => `${postingsOf(label, value)}${hexOf(block)}`,
  /** The values of a label in a block, those with the newest entries first, a newline between. No label has this name. */
  recent: (label: string, block: number) => `${recentOf(label)}${hexOf(block)}`,
  /** The earliest and the latest time in 256 entries (level 0) or 65,536 (level 1). */
  span: (level: number, index: number) => `time!${level}!${hexOf(index)}`,
  /** What the keys of all spans of a level begin with. */
  spanLevel: (level: number) => `time!${level}!`,
  /** Bounds of all keys of a kind, both exclusive. */
  entries: { gt: "entry!", lt: 'entry"' },
  writers: { gt: "writer!", lt: 'writer"' },
  tiles: { gt: "tile!", lt: 'tile"' },
  nodes: { gt: "node!", lt: 'node"' },
  witnesses: { gt: "witness!", lt: 'witness"' },
  checkpoints: { gt: "checkpoint!", lt: 'checkpoint"' },
  payloads: { gt: "payload!", lt: 'payload"' },
  postings: { gt: "index!", lt: 'index"' },
  spans: { gt: "time!", lt: 'time"' },
} as const;

/** What the keys of all blocks of one value begin with. */
export function postingsOf(label: string, value: string): string {
  return `index!${label}!${value}\0`;
}

/** What the keys of all blocks in which a label occurs begin with, where they are kept. */
export function recentOf(label: string): string {
  return postingsOf("recent", label);
}

/**
 * Opens the LevelDB in `directory`.
 *
 * @throws LEDGER_E_LOCKED, LEDGER_E_READ_ONLY, LEDGER_E_DAMAGED, LEDGER_E_UNUSABLE
 */
export async function openLevel(directory: string, create: boolean): Promise<LedgerDb> {
  // Loaded on demand: the client and the verifier of exports work without the native module.
  const { Level } = await import("./native-level.ts");
  try {
    // The constructor already begins to open, so what matters must be among its options.
    const options = { keyEncoding: "utf8", valueEncoding: "utf8", createIfMissing: create } as const;
    const db: LedgerDb = new Level(directory, options);
    await db.open();
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
  const code = codeOf(cause);
  const message = `${openMessages[code]} ${directory}: ${messageOf(cause)}`;
  return ledgerErrors.make(code, message, { where: directory, cause });
}

const openMessages = {
  LEDGER_E_LOCKED: "another process has the ledger open in",
  LEDGER_E_DAMAGED: "LevelDB cannot read",
  LEDGER_E_READ_ONLY: "the ledger cannot be written in",
  LEDGER_E_UNUSABLE: "the ledger cannot be opened in",
} as const;

function codeOf(cause: unknown): keyof typeof openMessages {
  switch (systemCode(cause)) {
    case "LEVEL_LOCKED":
      return "LEDGER_E_LOCKED";
    case "LEVEL_CORRUPTION":
      return "LEDGER_E_DAMAGED";
    case "EACCES":
    case "EPERM":
    case "EROFS":
    case "ENOTDIR":
    case "EEXIST":
      return "LEDGER_E_READ_ONLY";
    case "LEVEL_IO_ERROR": {
      // LevelDB passes on the system's text, not its code (strerror(3)).
      const why = messageOf(cause);
      if (why.endsWith("No such file or directory")) return "LEDGER_E_DAMAGED";
      return /(Permission denied|Read-only file system)$/.test(why)
        ? "LEDGER_E_READ_ONLY"
        : "LEDGER_E_UNUSABLE";
    }
    default:
      return "LEDGER_E_UNUSABLE";
  }
}
