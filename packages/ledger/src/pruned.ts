import { mkdir } from "node:fs/promises";
import type { DarumaError } from "@daruma/base";
import { ledgerErrors } from "./catalogue.ts";
import { emptyHead, type Head, readEntry } from "./entry.ts";
import type { EvidenceVerifier } from "./evidence.ts";
import { openHeadFile } from "./head-file.ts";
import { type LedgerDb, openLevel, storeKeys } from "./level.ts";
import { hashBytes, type TreeHash } from "./merkle.ts";
import { blockWidth } from "./postings.ts";
import { hashInTile, tileWidth } from "./tree.ts";
import { readTile } from "./tree-store.ts";

/*
 * Pruning takes the oldest entries away and leaves the tree as it is: the hashes of their leaves stay, so every proof that could be
 * made of the ledger can still be made. Only whole tiles go, and what a start looks at stays.
 */

/** The newest entries that are never pruned: a start verifies the last 1,000, from the beginning of a tile on. */
export const entriesKept = 5 * tileWidth;

/** Keys that one step deletes. Appends are written between two steps. */
const keysAtOnce = 16 * tileWidth;

/** The last entry that was pruned, with number 0 if none was. */
export async function readPruned(db: LedgerDb): Promise<Head> {
  const text = await db.get(storeKeys.pruned);
  if (text === undefined) return emptyHead;
  const parts = /^\{"hash":"([0-9a-f]{64})","seq":([1-9]\d{0,15})\}$/.exec(text);
  const seq = Number(parts?.[2]);
  if (parts?.[1] !== undefined && Number.isSafeInteger(seq) && seq % tileWidth === 0)
    return { seq, hash: parts[1] };
  throw damaged(db, "what was pruned of it is not readable");
}

/** From here on the entries up to `pruned` count as gone. They are deleted afterwards, by `dropPruned`. */
export async function beginPruning(db: LedgerDb, pruned: Head): Promise<void> {
  await db.put(storeKeys.pruned, `{"hash":"${pruned.hash}","seq":${pruned.seq}}`, { sync: true });
}

/**
 * Deletes some of the entries that count as gone and, after them, what the index has of them and their payloads. The index's times stay, as the tree does:
 * they are what a start looks at, one of an older release too.
 *
 * @param from where the step before has ended; an empty text at first
 * @returns where to go on; `null` once all of it is gone
 */
export async function dropPruned(db: LedgerDb, { seq }: Head, from: string): Promise<string | null> {
  if (from === "" && Number(await db.get(storeKeys.dropped)) === seq) return null;
  const entries = { gt: from || storeKeys.entries.gt, lte: storeKeys.entry(seq) };
  const ofEntries = from < storeKeys.entries.lt && seq > 0 ? await keysIn(db, entries) : [];
  await remove(db, ofEntries);
  if (ofEntries.length === keysAtOnce) return ofEntries.at(-1) ?? null;
  const begin = from.startsWith(storeKeys.postings.gt) ? from : storeKeys.postings.gt;
  const postings = await keysIn(db, { gt: begin, lt: storeKeys.postings.lt });
  const end = storeKeys.span(0, seq / blockWidth).slice(storeKeys.spanLevel(0).length);
  await remove(
    db,
    postings.filter((key) => key.slice(-end.length) < end),
  );
  if (postings.length === keysAtOnce) return postings.at(-1) ?? null;
  await db.clear({ gt: storeKeys.payloads.gt, lte: storeKeys.payload(seq) });
  await db.put(storeKeys.dropped, String(seq), { sync: true });
  return null;
}

async function keysIn(db: LedgerDb, range: object): Promise<readonly string[]> {
  return await db.keys({ ...range, limit: keysAtOnce }).all();
}

async function remove(db: LedgerDb, keys: readonly string[]): Promise<void> {
  await db.batch(keys.map((key) => ({ type: "del", key }) as const));
}

/**
 * Checks that the ledger goes on where it was pruned.
 *
 * @throws LEDGER_E_DAMAGED
 */
export async function checkPruned(db: LedgerDb, pruned: Head, head: Head): Promise<void> {
  if (pruned.seq === 0) return;
  if (pruned.seq > head.seq)
    throw damaged(db, `it ends at entry ${head.seq}, but was pruned up to ${pruned.seq}`);
  if (pruned.seq === head.seq) {
    if (pruned.hash === head.hash) return;
    throw damaged(db, "its head is not the last entry that was pruned");
  }
  const { entry } = readEntry((await db.get(storeKeys.entry(pruned.seq + 1))) ?? "");
  if (entry?.prev === pruned.hash) return;
  throw damaged(db, `entry ${pruned.seq + 1} does not follow the one up to which it was pruned`);
}

/** The leaves of what was pruned, in order, from the tree that is stored. */
export async function* prunedLeaves(db: LedgerDb, pruned: Head): AsyncGenerator<TreeHash, void, undefined> {
  for (let index = 0; index < pruned.seq / tileWidth; index += 1) {
    const tile = await readTile(db, index);
    for (let place = 0; place < tile.length / hashBytes; place += 1) yield hashInTile(tile, place);
  }
}

/** Shows a verifier, in place of a pruned entry, the leaf that stands for it. */
export function passPruned(verifier: EvidenceVerifier, seq: number, leaf: TreeHash): void {
  verifier.proof({ kind: "gap", gap: { from: seq, to: seq, nodes: [leaf] } });
}

/** Makes a new store that begins where another was pruned, with the tree over what is gone. */
export async function startPruned(
  db: LedgerDb,
  pruned: Head,
  to: { readonly level: string; readonly head: string },
): Promise<void> {
  await mkdir(to.level, { recursive: true, mode: 0o700 });
  const fresh = await openLevel(to.level, true);
  try {
    for (const range of [storeKeys.tiles, storeKeys.nodes]) {
      for await (const [key, value] of db.iterator<string, Buffer>({ ...range, valueEncoding: "buffer" })) {
        if (endOf(key) > pruned.seq) continue;
        await fresh.put<string, Buffer>(key, value, { valueEncoding: "buffer", sync: true });
      }
    }
    await beginPruning(fresh, pruned);
    const meta = await db.get(storeKeys.meta);
    const head = `{"hash":"${pruned.hash}","seq":${pruned.seq}}`;
    await fresh.batch(
      [
        { type: "put", key: storeKeys.meta, value: meta ?? "" },
        { type: "put", key: storeKeys.head, value: head },
      ],
      { sync: true },
    );
  } finally {
    await fresh.close();
  }
  await (await openHeadFile(to.head, pruned)).close();
}

/** How many leaves a tile or a stored node and all before it are over. */
function endOf(key: string): number {
  const [kind, level, index] = key.startsWith(storeKeys.tiles.gt)
    ? ["tile", "08", key.slice(5)]
    : key.split("!");
  return kind === undefined ? 0 : (Number.parseInt(index ?? "", 16) + 1) * 2 ** Number(level);
}

function damaged(db: LedgerDb, why: string): DarumaError {
  return ledgerErrors.make("LEDGER_E_DAMAGED", `the ledger in ${db.location} is damaged: ${why}`, {
    where: db.location,
  });
}
