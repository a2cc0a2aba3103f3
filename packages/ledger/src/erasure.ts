import { createReadStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { systemCode } from "@daruma/base";
import { ledgerErrors } from "./catalogue.ts";
import { type LedgerDb, storeKeys } from "./level.ts";
import { saltOf } from "./payload.ts";
import { readPayloads } from "./payload-store.ts";
import type { Store } from "./store.ts";

/** Payloads that are erased at once. */
export const erasedAtOnce = 256;

/** The action of the entry that says it. */
export const eraseAction = "ledger.erase";

const attempts = 6;
const firstPauseMs = 50;

/**
 * Deletes payloads from the database and from the disk. LevelDB only hides what was deleted until it happens to write the
 * files around it anew; so it is made to, and its files are then searched for the salts. That a reader still holds an older
 * state keeps it from dropping anything, so it is tried a few times.
 *
 * The values are moved out of LevelDB's memory before they are deleted: what is deleted there leaves together with its
 * deletion, and stays.
 *
 * @param remove deletes the keys, durably, however often it is called
 * @throws LEDGER_E_NOT_ERASED: they cannot be read any more, and are still on the disk
 */
export async function eraseFromDisk(
  db: LedgerDb,
  payloads: readonly { readonly seq: number; readonly stored: Buffer }[],
  remove: (keys: readonly string[]) => Promise<void>,
): Promise<void> {
  const keys = payloads.map(({ seq }) => storeKeys.payload(seq)).toSorted();
  const [first = "", last = ""] = [keys[0], keys.at(-1)];
  // LevelDB's log cuts what lies across the edge of a block in two: of a salt, one half is then whole.
  const salts = payloads.flatMap(({ stored }) => halvesOf(saltOf(stored)));
  const compact = () => (db as LedgerDb & Compacting).compactRange(first, last);
  await compact();
  for (let attempt = 1; ; attempt += 1) {
    await remove(keys);
    await compact();
    const file = await fileWith(dirname(db.location), salts);
    if (file === null) return;
    if (attempt === attempts) throw notErased(file);
    await sleep(firstPauseMs * 2 ** attempt);
  }
}

/** What classic-level has under Node, and what `level` does not tell of, for browsers have no such thing. */
interface Compacting {
  compactRange(start: string, end: string): Promise<void>;
}

function halvesOf(salt: Buffer): readonly Buffer[] {
  return [salt.subarray(0, salt.length / 2), salt.subarray(salt.length / 2)];
}

/** The first of LevelDB's files in a ledger's directory that holds one of these: also of those that were set aside. */
async function fileWith(directory: string, salts: readonly Buffer[]): Promise<string | null> {
  for (const file of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!file.isFile() || !/^\d+\.(log|ldb|sst)$/.test(file.name)) continue;
    const path = join(file.parentPath, file.name);
    if (await holds(path, salts)) return path;
  }
  return null;
}

async function holds(path: string, salts: readonly Buffer[]): Promise<boolean> {
  // What begins at the end of one chunk and ends in the next is found in the two together.
  let before = Buffer.alloc(0);
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) {
      const bytes = Buffer.concat([before, chunk as Buffer]);
      if (salts.some((salt) => bytes.includes(salt))) return true;
      before = bytes.subarray(-64);
    }
    return false;
  } catch (error) {
    // LevelDB has removed it meanwhile.
    if (systemCode(error) === "ENOENT") return false;
    throw error;
  }
}

function notErased(file: string): Error {
  const message = `the payloads are deleted, but their bytes are still in ${file}`;
  return ledgerErrors.make("LEDGER_E_NOT_ERASED", message, { where: file });
}

/**
 * Erases the payloads of these entries, as far as there are some. `between` is given each write, for the store takes one at a
 * time.
 *
 * @throws LEDGER_E_NOT_ERASED, LEDGER_E_WRITE_FAILED, LEDGER_E_UNUSABLE, LEDGER_E_DAMAGED
 */
export async function erasePayloads(
  store: Store,
  seqs: readonly number[],
  between: (write: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const remove = (keys: readonly string[]) =>
    between(() =>
      store.maintaining((db) =>
        db.batch(
          keys.map((key) => ({ type: "del", key })),
          { sync: true },
        ),
      ),
    );
  await store.reading(async (db) => {
    const payloads = await readPayloads(db, seqs);
    if (payloads.length > 0) await eraseFromDisk(db, payloads, remove);
  });
}
