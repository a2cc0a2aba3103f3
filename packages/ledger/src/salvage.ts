import { isDarumaError, messageOf } from "@daruma/base";
import { parseHead, verifyStored } from "./check.ts";
import { parseCheckpoint } from "./checkpoint.ts";
import { readWitnessed } from "./checkpoint-store.ts";
import { emptyHead, type Head, readEntry, type SealedEntry } from "./entry.ts";
import { EvidenceVerifier } from "./evidence.ts";
import type { OutboxKey, Writers } from "./group.ts";
import { type LedgerDb, storeKeys } from "./level.ts";
import { readPayload } from "./payload-store.ts";
import { passPruned, prunedLeaves, readPruned } from "./pruned.ts";
import type { Store } from "./store.ts";
import { parseKeys } from "./writer-keys.ts";

/** What a damaged database still holds that can be relied on. */
export interface Remains {
  /** The last entry before the first that is bad or missing. */
  readonly good: Head;
  /** What is wrong with the next one; `null` if nothing is, and only the rest of the store does not agree. */
  readonly why: string | null;
  /** The last entry that the database knows of, be it readable or not. */
  readonly known: Head | null;
  /** The size of the largest checkpoint. */
  readonly signed: number;
  /** The last entry that was pruned before, with number 0 if none was; the tree over those is as good as the rest. */
  readonly pruned: Head;
}

const entriesAtOnce = 1000;

/**
 * Finds the longest beginning of the entries that verifies, by the chain and by every checkpoint. The stored tree has no
 * say: it is made of the entries, and will be again.
 */
export async function examine(db: LedgerDb): Promise<Remains> {
  const verifier = new EvidenceVerifier();
  const checkpoints = db.iterator(storeKeys.checkpoints);
  let pruned = emptyHead;
  try {
    pruned = await readPruned(db);
    let next = await checkpoints.next();
    let size = 0;
    const compare = async () => {
      size += 1;
      for (; next?.[0] === storeKeys.checkpoint(size); next = await checkpoints.next()) {
        verifier.proof({ kind: "checkpoint", text: next[1] });
      }
    };
    for await (const leaf of prunedLeaves(db, pruned)) {
      passPruned(verifier, size + 1, leaf);
      await compare();
    }
    await verifyStored(db, pruned.seq + 1, verifier, compare);
  } catch (error) {
    verifier.fail("unreadable", `it cannot be read: ${messageOf(error)}`, 1);
  } finally {
    await checkpoints.close();
  }
  const { firstBad, lastSeq, headHash } = verifier.finish();
  const seq = firstBad === null ? (lastSeq ?? pruned.seq) : (firstBad.seq ?? 1) - 1;
  const why = firstBad?.message ?? null;
  const found = { why, known: await knownHead(db), signed: await signedSize(db) };
  // Where not even the tree over what was pruned is good, nothing can go on from it.
  if (seq < pruned.seq) return { ...found, good: emptyHead, pruned: emptyHead };
  if (seq === pruned.seq) return { ...found, good: pruned, pruned };
  const good = seq === lastSeq && headHash !== null ? { seq, hash: headHash } : await headAt(db, seq);
  return { ...found, good, pruned };
}

/** Copies what is good into a new store, with what belongs to it. `signed`: the checkpoints too, if their key stays. */
export async function copyRemains(db: LedgerDb, store: Store, good: Head, signed: boolean): Promise<void> {
  const none = { outcomes: [], held: new Map(), firstKeys: [] };
  let entries: SealedEntry[] = [];
  const commit = async () => {
    const last = entries.at(-1);
    if (last === undefined) return;
    const next = { head: { seq: last.seq, hash: last.hash }, writers: store.state.writers };
    await store.commit({ ...none, entries, next });
    entries = [];
  };
  for (let seq = store.pruned.seq + 1; seq <= good.seq; seq += 1) {
    const line = (await db.get(storeKeys.entry(seq))) ?? "";
    const { entry } = readEntry(line);
    if (entry === null) throw new Error(`entry ${seq} was good and is no longer`);
    const payload = await readPayload(db, seq);
    const copy = { seq, hash: entry.hash, line, time: entry.time, labels: entry };
    entries.push(payload === null ? copy : { ...copy, payload });
    if (entries.length === entriesAtOnce) await commit();
  }
  await commit();
  // Keys of what was lost stay taken: the writers were told that it is durable, and will not send it again.
  const writers = await readableWriters(db);
  const firstKeys = [...writers].flatMap(([writer, keys]) => keys.map((key) => ({ writer, key })));
  await store.commit({ ...none, entries: [], firstKeys, next: { head: good, writers } });
  if (signed) await copyCheckpoints(db, store, good.seq);
}

async function copyCheckpoints(db: LedgerDb, store: Store, size: number): Promise<void> {
  const taken = await readWitnessed(db).catch(() => new Map<string, number>());
  for await (const [, text] of db.iterator(storeKeys.checkpoints)) {
    const checkpoint = parseCheckpoint(text);
    if (checkpoint === null || checkpoint.size > size) return;
    await store.putCheckpoint(checkpoint);
    for (const [name, by] of taken) if (by === checkpoint.size) await store.putCheckpoint(checkpoint, name);
  }
}

/** A writer whose keys cannot be read begins a new epoch. */
async function readableWriters(db: LedgerDb): Promise<Writers> {
  const writers = new Map<string, readonly OutboxKey[]>();
  for await (const [key, text] of db.iterator(storeKeys.writers)) {
    const keys = parseKeys(text);
    if (keys !== null) writers.set(key.slice(storeKeys.writers.gt.length), keys);
  }
  return writers;
}

async function headAt(db: LedgerDb, seq: number): Promise<Head> {
  if (seq === 0) return emptyHead;
  const { entry } = readEntry((await db.get(storeKeys.entry(seq))) ?? "");
  return { seq, hash: entry?.hash ?? emptyHead.hash };
}

async function knownHead(db: LedgerDb): Promise<Head | null> {
  try {
    return parseHead(db, await db.get(storeKeys.head));
  } catch (error) {
    if (!isDarumaError(error)) throw error;
    return null;
  }
}

async function signedSize(db: LedgerDb): Promise<number> {
  for await (const key of db.keys({ ...storeKeys.checkpoints, reverse: true, limit: 1 })) {
    return Number.parseInt(key.slice(storeKeys.checkpoints.gt.length), 16);
  }
  return 0;
}
