import type { DarumaError } from "@daruma/base";
import { ledgerErrors } from "./catalogue.ts";
import { originOf, parseCheckpoint, type SignedCheckpoint } from "./checkpoint.ts";
import { type LedgerDb, storeKeys } from "./level.ts";
import { printNote } from "./signed-note.ts";
import type { TreeState } from "./tree.ts";
import { TreeReader } from "./tree-store.ts";

/** The stored checkpoint over the first `size` entries. */
export async function readCheckpoint(db: LedgerDb, size: number): Promise<SignedCheckpoint | null> {
  const text = await db.get(storeKeys.checkpoint(size));
  return text === undefined ? null : parse(db, storeKeys.checkpoint(size), text);
}

/** The newest stored checkpoint. */
export async function lastCheckpoint(db: LedgerDb): Promise<SignedCheckpoint | null> {
  for await (const [key, text] of db.iterator({ ...storeKeys.checkpoints, reverse: true, limit: 1 })) {
    return parse(db, key, text);
  }
  return null;
}

/**
 * Checks that what was signed last is still there: no fewer entries, and the same.
 *
 * @returns the newest checkpoint
 * @throws LEDGER_E_DAMAGED
 */
export async function checkCheckpoint(
  db: LedgerDb,
  tree: TreeState,
  host: string,
): Promise<SignedCheckpoint | null> {
  const last = await lastCheckpoint(db);
  if (last === null) return null;
  if (last.origin !== originOf(host)) throw damaged(db, `its last checkpoint is of ${last.origin}`);
  if (last.size > tree.size) {
    throw damaged(db, `it ends at entry ${tree.size}, but ${last.size} entries were signed`);
  }
  const root = await new TreeReader(db, tree).root(last.size);
  if (!root.equals(last.root))
    throw damaged(db, `its first ${last.size} entries are not those that were signed`);
  return last;
}

/** What witnesses have taken: of each the size of the last checkpoint. */
export async function readWitnessed(db: LedgerDb): Promise<ReadonlyMap<string, number>> {
  const sizes = new Map<string, number>();
  for await (const [key, text] of db.iterator(storeKeys.witnesses)) {
    const size = Number(text);
    if (!Number.isSafeInteger(size)) throw damaged(db, `its record ${key} is not readable`);
    sizes.set(key.slice(storeKeys.witnesses.gt.length), size);
  }
  return sizes;
}

/**
 * The operations that store a checkpoint, in place of the same one with fewer signatures, and that a witness has taken it.
 */
export function checkpointOperations({ size, note }: SignedCheckpoint, witness: string | null) {
  const put = (key: string, value: string) => ({ type: "put", key, value }) as const;
  const operation = put(storeKeys.checkpoint(size), printNote(note));
  return witness === null ? [operation] : [operation, put(storeKeys.witness(witness), String(size))];
}

function parse(db: LedgerDb, key: string, text: string): SignedCheckpoint {
  const checkpoint = parseCheckpoint(text);
  if (checkpoint !== null && storeKeys.checkpoint(checkpoint.size) === key) return checkpoint;
  throw damaged(db, `its checkpoint ${key} is not readable`);
}

function damaged(db: LedgerDb, why: string): DarumaError {
  return ledgerErrors.make("LEDGER_E_DAMAGED", `the ledger in ${db.location} is damaged: ${why}`, {
    where: db.location,
  });
}
