import { fdatasync, writeSync } from "node:fs";
import { type FileHandle, open, readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { systemCode, writeFileAtomic } from "@daruma/base";
import { ledgerErrors } from "./catalogue.ts";
import type { Head } from "./entry.ts";

const syncData = promisify(fdatasync);

/** Written in place, within one page: a killed process leaves the old content or the new. */
const headFileBytes = 128;

const headPattern = /^\{"hash":"([0-9a-f]{64})","seq":(0|[1-9]\d{0,15})\} *\n$/;

/**
 * The head, kept a second time outside LevelDB, which skips unreadable parts of its log without a word: whatever it
 * has lost shows when the two are compared. Written after each group and synced at the end, so after a power cut it
 * may be behind, never ahead.
 */
export interface HeadFile {
  write(head: Head): void;
  close(): Promise<void>;
}

/**
 * @returns null if there is no such file.
 * @throws LEDGER_E_DAMAGED if it holds anything else than a head.
 */
export async function readHeadFile(path: string): Promise<Head | null> {
  let text: string;
  try {
    text = await readFile(path, "latin1");
  } catch (error) {
    if (systemCode(error) === "ENOENT") return null;
    throw error;
  }
  const parts = headPattern.exec(text);
  const seq = Number(parts?.[2]);
  if (parts?.[1] === undefined || !Number.isSafeInteger(seq)) {
    throw ledgerErrors.make("LEDGER_E_DAMAGED", `the head file ${path} is not readable`, { where: path });
  }
  return { seq, hash: parts[1] };
}

/** Opens the file for writing, with `head` in it. */
export async function openHeadFile(path: string, head: Head): Promise<HeadFile> {
  if ((await readHeadFile(path)) === null) await writeFileAtomic(path, print(head), 0o600);
  const handle = await open(path, "r+");
  const file = headFileOn(handle);
  try {
    file.write(head);
    return file;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

function headFileOn(handle: FileHandle): HeadFile {
  return {
    // Synchronous: a few microseconds into the page cache, where a trip through the thread pool costs ten times that.
    write: (head) => {
      const written = writeSync(handle.fd, print(head), 0, headFileBytes, 0);
      if (written !== headFileBytes)
        throw new Error(`wrote ${written} of ${headFileBytes} bytes of the head file`);
    },
    close: async () => {
      try {
        await syncData(handle.fd);
      } finally {
        await handle.close();
      }
    },
  };
}

function print(head: Head): Buffer {
  const text = `{"hash":"${head.hash}","seq":${head.seq}}`;
  return Buffer.from(`${text.padEnd(headFileBytes - 1)}\n`, "latin1");
}
