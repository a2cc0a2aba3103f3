import type { DarumaError } from "@daruma/base";
import { ledgerErrors } from "./catalogue.ts";
import { type LedgerDb, storeKeys } from "./level.ts";

/** Entries and bytes that one read gives at most; a single entry may be more bytes. */
export const readEntries = 512;
const readBytes = 1024 * 1024;

/** The stored bytes of entries `after` + 1 to `last`, as many as fit in one read. */
export async function readFrom(
  db: LedgerDb,
  after: number,
  last: number,
  limit: number,
): Promise<readonly Buffer[]> {
  const count = Math.min(limit, readEntries);
  const iterator = db.iterator<string, Buffer>({
    gt: storeKeys.entry(after),
    lte: storeKeys.entry(last),
    limit: count,
    highWaterMarkBytes: readBytes,
    valueEncoding: "buffer",
    fillCache: false,
  });
  try {
    const found = await iterator.nextv(count);
    found.forEach(([key], index) => {
      if (key !== storeKeys.entry(after + 1 + index)) throw missing(db, after + 1 + index);
    });
    if (found.length === 0) throw missing(db, after + 1);
    return found.map(([, value]) => value);
  } finally {
    await iterator.close();
  }
}

/** The stored bytes of entries by their numbers. */
export async function readSome(db: LedgerDb, seqs: readonly number[]): Promise<readonly Buffer[]> {
  const options = { valueEncoding: "buffer", fillCache: false } as const;
  const lines = await db.getMany<string, Buffer>(seqs.map(storeKeys.entry), options);
  return lines.map((line, index) => {
    if (line !== undefined) return line;
    throw missing(db, seqs[index] ?? 0);
  });
}

function missing(db: LedgerDb, seq: number): DarumaError {
  return ledgerErrors.make("LEDGER_E_DAMAGED", `entry ${seq} is missing in ${db.location}`, {
    where: db.location,
  });
}
