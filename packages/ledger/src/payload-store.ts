import type { SealedEntry } from "./entry.ts";
import { type LedgerDb, storeKeys } from "./level.ts";

const asBytes = { valueEncoding: "buffer" } as const;

/** The batch operations that store what an entry commits to. */
export function payloadOperations({ seq, payload }: SealedEntry) {
  if (payload === undefined) return [];
  return [{ type: "put", key: storeKeys.payload(seq), value: payload, ...asBytes } as const];
}

export async function readPayload(db: LedgerDb, seq: number): Promise<Buffer | null> {
  return (await db.get<string, Buffer>(storeKeys.payload(seq), asBytes)) ?? null;
}

/** Those that are there. */
export async function readPayloads(
  db: LedgerDb,
  seqs: readonly number[],
): Promise<readonly { readonly seq: number; readonly stored: Buffer }[]> {
  const found = await db.getMany<string, Buffer>(seqs.map(storeKeys.payload), asBytes);
  return seqs.flatMap((seq, index) => {
    const stored = found[index];
    return stored === undefined ? [] : [{ seq, stored }];
  });
}
