import { canonicalize, type DarumaError } from "@daruma/base";
import { ledgerErrors } from "./catalogue.ts";
import type { SignedCheckpoint } from "./checkpoint.ts";
import { checkCheckpoint, readWitnessed } from "./checkpoint-store.ts";
import { emptyHead, type Head, isPlainObject, readEntry } from "./entry.ts";
import type { ChainState, OutboxKey, Writers } from "./group.ts";
import { loadIndex } from "./index-store.ts";
import { type LedgerDb, storeFormat, storeKeys } from "./level.ts";
import { leafHash } from "./merkle.ts";
import { IndexGrowth } from "./postings.ts";
import { checkPruned, readPruned } from "./pruned.ts";
import { emptyTree, type TreeState } from "./tree.ts";
import { entriesChecked, TreeCheck } from "./tree-check.ts";
import { type BadEntry, type BadReason, ChainVerifier } from "./verify.ts";
import { parseKeys } from "./writer-keys.ts";

/** What a store holds, as far as what is appended next builds on it. */
export interface StoreState {
  readonly host: string;
  readonly chain: ChainState;
  readonly tree: TreeState;
  /** The last entry that was pruned; number 0 if none was. */
  readonly pruned: Head;
  /** It may not cover all entries yet. */
  readonly index: IndexGrowth;
  /** Why the index that was stored does not count; `null` if it does. */
  readonly indexFault: string | null;
  /** The newest one. */
  readonly checkpoint: SignedCheckpoint | null;
  /** How many entries the checkpoint covers that each witness has taken last. */
  readonly witnessed: ReadonlyMap<string, number>;
}

/**
 * Reads the state of an opened store and checks that its parts agree: the format, the host, the head, the head file,
 * the last 1,000 entries and their part of the tree, and the last checkpoint. A store that was never used is given its first state; entries of
 * which the tree knows nothing yet, because an older release has written them, are verified and added to it.
 *
 * @param expected the host whose ledger it must be; `null` for whose it is, which a new one cannot know
 * @throws LEDGER_E_DAMAGED, LEDGER_E_FORMAT, LEDGER_E_OTHER_HOST, LEDGER_E_NOT_FOUND
 */
export async function checkStore(
  db: LedgerDb,
  headOnFile: Head | null,
  expected: string | null,
): Promise<StoreState> {
  const [meta, head] = await db.getMany([storeKeys.meta, storeKeys.head]);
  if (meta === undefined && head === undefined) {
    const host = expected ?? unused(db);
    return {
      host,
      chain: await startStore(db, headOnFile, host),
      tree: emptyTree,
      pruned: emptyHead,
      index: new IndexGrowth(0, null),
      indexFault: null,
      checkpoint: null,
      witnessed: new Map(),
    };
  }
  const host = checkMeta(db, meta, expected);
  const chain: ChainState = { head: parseHead(db, head), writers: await readWriters(db) };
  if (headOnFile === null && chain.head.seq > 0) throw damaged(db, "its head file is missing");
  const pruned = await readPruned(db);
  const tree = await checkTail(db, chain.head, headOnFile ?? emptyHead, pruned, host);
  await checkPruned(db, pruned, chain.head);
  const checkpoint = await checkCheckpoint(db, tree, host);
  const { growth: index, fault: indexFault } = await loadIndex(db, chain.head.seq, pruned.seq);
  const witnessed = await readWitnessed(db);
  return { host, chain, tree, pruned, index, indexFault, checkpoint, witnessed };
}

/** What entries are fed to. */
export interface EntryVerifier {
  push(bytes: Buffer): BadEntry | null;
  fail(reason: BadReason, message: string, claimedSeq: number): BadEntry;
  readonly last: Head | null;
}

/**
 * Feeds `verifier` with all stored entries from number `from` on, until the first bad or missing one. `onGood` is given
 * the bytes of each good one, and waited for.
 */
export async function verifyStored(
  db: LedgerDb,
  from: number,
  verifier: EntryVerifier,
  onGood: (bytes: Buffer) => Promise<void> | undefined,
): Promise<BadEntry | null> {
  const range = { gte: storeKeys.entry(from), lt: storeKeys.entries.lt, valueEncoding: "buffer" } as const;
  let seq = from;
  for await (const [key, value] of db.iterator<string, Buffer>({
    ...range,
    highWaterMarkBytes: 1024 * 1024,
  })) {
    if (key !== storeKeys.entry(seq)) return verifier.fail("wrong-seq", `entry ${seq} is missing`, seq);
    const bad = verifier.push(value);
    if (bad !== null) return bad;
    if (verifier.last?.seq !== seq)
      return verifier.fail("wrong-seq", `another entry is stored as ${seq}`, seq);
    await onGood(value);
    seq += 1;
  }
  return null;
}

async function startStore(db: LedgerDb, headOnFile: Head | null, host: string): Promise<ChainState> {
  if (headOnFile !== null && headOnFile.seq > 0) {
    throw damaged(db, `it is empty, but its head file knows ${headOnFile.seq} entries`);
  }
  for await (const key of db.keys({ limit: 1 })) throw damaged(db, `it has no head, but the key ${key}`);
  const state: ChainState = { head: emptyHead, writers: new Map() };
  const meta = canonicalize({ format: storeFormat, host });
  await db.batch(
    [
      { type: "put", key: storeKeys.meta, value: meta },
      { type: "put", key: storeKeys.head, value: printHead(state.head) },
    ],
    { sync: true },
  );
  return state;
}

/** The host whose ledger it is. */
function checkMeta(db: LedgerDb, text: string | undefined, expected: string | null): string {
  const { format, host } = parse(db, "meta", text);
  if (format !== storeFormat) {
    const message = `the ledger in ${db.location} has a format other than ${storeFormat}`;
    throw ledgerErrors.make("LEDGER_E_FORMAT", message, { where: db.location });
  }
  if (typeof host === "string" && (expected ?? host) === host) return host;
  const message = `the ledger in ${db.location} belongs to host ${String(host)}, not ${String(expected)}`;
  throw ledgerErrors.make("LEDGER_E_OTHER_HOST", message, { where: db.location });
}

async function checkTail(
  db: LedgerDb,
  head: Head,
  headOnFile: Head,
  pruned: Head,
  host: string,
): Promise<TreeState> {
  const treeCheck = await TreeCheck.begin(db, head.seq, pruned.seq);
  const from = Math.max(pruned.seq, Math.min(head.seq - entriesChecked, treeCheck.size)) + 1;
  const verifier = new ChainVerifier(host);
  const bad = await verifyStored(db, from, verifier, (bytes) =>
    verifier.last?.seq === treeCheck.size + 1 ? treeCheck.add(leafHash(bytes)) : undefined,
  );
  if (bad !== null) throw damaged(db, `entry ${bad.seq ?? from} is bad: ${bad.message}`);
  const last = verifier.last ?? pruned;
  if (last.seq !== head.seq || last.hash !== head.hash) {
    throw damaged(db, `its last entry is ${nameOf(last)}, its head says ${nameOf(head)}`);
  }
  if (headOnFile.seq > head.seq) {
    throw damaged(db, `it ends at entry ${head.seq}, but its head file knows ${headOnFile.seq}`);
  }
  // Of what was pruned nothing is left to compare it with.
  if (headOnFile.seq > pruned.seq && (await hashOf(db, headOnFile.seq)) !== headOnFile.hash) {
    throw damaged(db, `entry ${headOnFile.seq} is not the one that its head file knows`);
  }
  return await treeCheck.end();
}

/** The hash that the stored entry `seq` bears; undefined if there is none to be read. */
export async function hashOf(db: LedgerDb, seq: number): Promise<string | undefined> {
  return readEntry((await db.get(storeKeys.entry(seq))) ?? "").entry?.hash;
}

async function readWriters(db: LedgerDb): Promise<Writers> {
  const writers = new Map<string, readonly OutboxKey[]>();
  for await (const [key, text] of db.iterator(storeKeys.writers)) {
    const keys = parseKeys(text);
    if (keys === null) throw damaged(db, `${key} is not readable`);
    writers.set(key.slice(storeKeys.writers.gt.length), keys);
  }
  return writers;
}

export function printHead(head: Head): string {
  return `{"hash":"${head.hash}","seq":${head.seq}}`;
}

export function parseHead(db: LedgerDb, text: string | undefined): Head {
  const { seq, hash } = parse(db, "head", text);
  if (!Number.isSafeInteger(seq) || typeof hash !== "string") throw damaged(db, "its head is not readable");
  return { seq: seq as number, hash };
}

function parse(db: LedgerDb, what: string, text: string | undefined): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text ?? "");
    if (isPlainObject(value)) return value;
  } catch {
    // Said below, for all that is no JSON object alike.
  }
  throw damaged(db, `its ${what} is not readable`);
}

function unused(db: LedgerDb): never {
  throw ledgerErrors.make("LEDGER_E_NOT_FOUND", `the ledger in ${db.location} was never used`, {
    where: db.location,
  });
}

function damaged(db: LedgerDb, why: string): DarumaError {
  return ledgerErrors.make("LEDGER_E_DAMAGED", `the ledger in ${db.location} is damaged: ${why}`, {
    where: db.location,
  });
}

function nameOf(head: Head): string {
  return head.seq === 0 ? "none" : `${head.seq} (${head.hash})`;
}
