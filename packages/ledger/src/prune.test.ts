import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import t, { type Test } from "tap";
import { acceptLoss } from "./accept-loss.ts";
import { faultsOfDetails } from "./action-faults.ts";
import { ledgerStatus } from "./client.ts";
import { type Entry, readEntry } from "./entry.ts";
import { ExportWriter } from "./export.ts";
import { compareIndex } from "./index-store.ts";
import { fill, host, timeOf } from "./index-test-support.ts";
import { type LedgerDb, openLevel, storeKeys } from "./level.ts";
import { Frontier, leafHash } from "./merkle.ts";
import { isConsistent, isIncluded } from "./merkle-proof.ts";
import {
  consistencyProof,
  inclusionProof,
  ledgerCheckpoint,
  ledgerValues,
  prefixProof,
  signLedger,
} from "./proof-client.ts";
import { ledgerPrunePlan, pruneLedger } from "./prune-client.ts";
import { readEntries } from "./reader.ts";
import { type Ledgerd, startLedgerd } from "./server.ts";
import { Store } from "./store.ts";
import { storePaths } from "./store-parts.ts";
import { errorOf, eventually, temporaryDirectory } from "./test-support.ts";
import type { Trust } from "./trust.ts";
import { readVerifier, readWitnessFile } from "./trust-files.ts";
import { verifyDirectory } from "./verify-directory.ts";
import { verifyExport } from "./verify-export.ts";

const count = 3000;
/** Of 3,000 entries the newest 1,280 stay, and only whole blocks of 256 go. */
const most = 1536;
const reason = "kept for a year";

type Served = Ledgerd & { readonly socket: string };

async function serve(t: Test, directory: string): Promise<Served> {
  const fail = (error: unknown) => t.fail(String(error));
  const ledgerd = await startLedgerd({
    store: join(directory, "store"),
    sockets: directory,
    host,
    writers: ["watchd", "operator"],
    pace: { everyEntries: 1_000_000, everyMs: 3_600_000 },
    onTrouble: fail,
    onProblem: fail,
    onFatal: fail,
  });
  t.teardown(() => ledgerd.stop());
  return { ...ledgerd, socket: join(directory, "operator.sock") };
}

async function filled(t: Test): Promise<string> {
  const directory = await temporaryDirectory(t);
  const store = await Store.open(join(directory, "store"), host);
  await fill(store, count, 7);
  await store.close();
  return directory;
}

async function entriesOf(socket: string): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  for await (const { entry } of readEntries({ socket })) entries.push(entry);
  return entries;
}

async function exportTo(file: string, socket: string): Promise<void> {
  const { pruned } = await ledgerStatus({ socket });
  const checkpoint = await signLedger({ socket });
  const prefix = await prefixProof({ socket }, pruned);
  const writer = new ExportWriter({ selection: {}, checkpoints: [checkpoint], pruned: prefix });
  let text = "";
  for await (const block of writer.blocks(readEntries({ socket }))) text += block;
  await writeFile(file, text);
}

/** Changes the database of a ledger that nobody has open. */
async function tamper(directory: string, change: (db: LedgerDb) => Promise<void>): Promise<void> {
  const db = await openLevel(storePaths(join(directory, "store")).level, false);
  await change(db);
  await db.close();
}

const ends = timeOf(1_000_000);

t.test("what is left of a pruned ledger verifies as before, and every proof can still be made", async (t) => {
  const directory = await filled(t);
  const ledgerd = await serve(t, directory);
  const { socket } = ledgerd;
  const before = await entriesOf(socket);
  const plan = await ledgerPrunePlan({ socket }, ends);
  t.match(plan, { earlier: count, pruned: 0, through: most, signed: 0 });
  const order = { before: ends, through: most, reason };
  t.match(await errorOf(pruneLedger({ socket }, order)), { code: "LEDGER_E_NOT_SIGNED" });
  t.equal((await entriesOf(socket)).length, count, "nothing was recorded and nothing is gone");

  const old = await signLedger({ socket });
  const full = join(directory, "full");
  await exportTo(full, socket);
  for (const through of [0, 100, most + 256]) {
    t.match(await errorOf(pruneLedger({ socket }, { ...order, through })), { code: "LEDGER_E_BAD_REQUEST" });
  }
  const done = await pruneLedger({ socket }, order);
  t.match(done, { through: most, seq: count + 1 });
  const left = await entriesOf(socket);
  t.same(left.slice(0, -1), before.slice(most), "the rest is what it was");
  const said = left.at(-1);
  t.match(said, {
    seq: done.seq,
    action: "ledger.prune",
    actor: "operator",
    details: { from: 1, through: most, reason },
  });
  t.equal(said?.details.hash, before[most - 1]?.hash);
  t.same(faultsOfDetails("ledger.prune", said?.details ?? {}), []);
  t.match(await ledgerStatus({ socket }), { pruned: most, entries: count + 1 });

  const frontier = new Frontier();
  const roots = before.map((entry) => {
    frontier.push(leafHash(JSON.stringify(entry)));
    return frontier.root();
  });
  const root = roots.at(-1) ?? Buffer.alloc(0);
  for (const seq of [1, 1000, most, most + 1, count]) {
    const { proof } = await inclusionProof({ socket }, seq, count);
    const leaf = leafHash(JSON.stringify(before[seq - 1]));
    const path = proof.map((node) => Buffer.from(node, "base64"));
    t.ok(isIncluded(leaf, seq - 1, count, path, root), `entry ${seq} is proven`);
  }
  for (const size of [77, 1000, 2000]) {
    const { proof } = await consistencyProof({ socket }, size, count);
    const path = proof.map((node) => Buffer.from(node, "base64"));
    t.ok(isConsistent(size, roots[size - 1] ?? root, count, root, path), `${size} come before`);
  }

  const found: number[] = [];
  const filter = { actor: "watchd", until: timeOf(3000) };
  for await (const { entry } of readEntries({ socket, filter })) found.push(entry.seq);
  const expected = before.filter(
    (entry) => entry.seq > most && entry.actor === "watchd" && entry.time <= timeOf(3000),
  );
  t.same(
    found,
    expected.map(({ seq }) => seq),
    "the index finds what is left",
  );
  t.match(await errorOf(entriesAfter(socket, 5)), { code: "LEDGER_E_PRUNED" });

  const rest = join(directory, "rest");
  await exportTo(rest, socket);
  const key = await readVerifier(join(directory, "store/public-key"));
  const witness = join(directory, "seen");
  await writeFile(
    witness,
    `${JSON.stringify({ checkpoint: (await ledgerCheckpoint({ socket }, old.size)).checkpoint })}\n`,
  );
  const trust: Trust = { key, witness: await readWitnessFile(witness) };
  t.match(await verifyExport(rest, trust), {
    ok: true,
    extent: "range",
    trustLevel: "witnessed",
    firstSeq: most + 1,
    entries: count + 1 - most,
    signed: count + 1,
  });
  t.match(
    await verifyExport(full, trust),
    { ok: true, complete: true },
    "an earlier export is as good as it was",
  );
  await ledgerd.stop();
  const verdict = {
    ok: true,
    extent: "range",
    trustLevel: "witnessed",
    pruned: most,
    entries: count + 1 - most,
  };
  t.match(await verifyDirectory(join(directory, "store"), trust), verdict);

  const again = await serve(t, directory);
  t.equal((await ledgerStatus({ socket })).indexed, count + 1, "a start finds the index good");
  t.match(await ledgerPrunePlan({ socket }, ends), { pruned: most, through: most });
  t.match(await ledgerPrunePlan({ socket }, timeOf(-100)), { earlier: most, through: most });
  await again.stop();
  await checkIndex(t, directory);
});

/** As pruning has left it, and made anew. */
async function checkIndex(t: Test, directory: string): Promise<void> {
  const store = await Store.open(join(directory, "store"), host);
  const entries = store.state.head.seq;
  t.match(await store.ask(compareIndex), { entries, differences: 0 });
  await store.forgetIndex();
  while (store.indexed < entries) await store.indexNext();
  t.match(await store.ask(compareIndex), { entries, differences: 0 });
  await store.close();
  await tamper(directory, async (db) => {
    const blocks = await db.keys({ gte: storeKeys.span(0, 0), lt: storeKeys.span(0, entries) }).all();
    t.equal(blocks.length, Math.ceil(entries / 256), "the times of what is gone stay, for older releases");
  });
  await (await Store.open(join(directory, "store"), host)).close();
}

async function entriesAfter(socket: string, after: number): Promise<void> {
  for await (const _ of readEntries({ socket, after }));
}

/** A ledger that was pruned up to 512, and is served by nobody. */
async function prunedLedger(t: Test): Promise<string> {
  const directory = await filled(t);
  const ledgerd = await serve(t, directory);
  const { socket } = ledgerd;
  await signLedger({ socket });
  await pruneLedger({ socket }, { before: ends, through: 512, reason });
  await ledgerd.stop();
  return directory;
}

t.test("a pruning that was cut short is gone on with", async (t) => {
  const directory = await prunedLedger(t);
  const store = await Store.open(join(directory, "store"), host);
  const [line] = await store.readSome([768]);
  await store.prune({ seq: 768, hash: readEntry(line?.toString() ?? "").entry?.hash ?? "" });
  await store.close();
  const ledgerd = await serve(t, directory);
  const { socket } = ledgerd;
  t.equal((await entriesOf(socket))[0]?.seq, 769, "from the first moment on they count as gone");
  await eventually("the rest of it is deleted", async () => {
    const values = await ledgerValues({ socket }, "actor");
    return values.every(({ first }) => first > 768) ? true : undefined;
  });
  await ledgerd.stop();
  await checkIndex(t, directory);
  await tamper(directory, async (db) => {
    const first = await db.keys({ ...storeKeys.entries, limit: 1 }).all();
    t.same(first, [storeKeys.entry(769)]);
  });
});

t.test("entries that are missing without a word, or were replaced in the tree, are told", async (t) => {
  const directory = await prunedLedger(t);
  const store = join(directory, "store");
  t.match(await verifyDirectory(store), { ok: true, pruned: 512 });
  const pruned = await readPrunedText(directory);

  await tamper(directory, (db) => db.put(storeKeys.pruned, pruned.replace(/"hash":"../, '"hash":"zz')));
  t.match(await verifyDirectory(store), { ok: false, firstBad: { reason: "unreadable" } });
  t.match(await errorOf(Store.open(store, host)), { code: "LEDGER_E_DAMAGED" });
  const other = pruned.replace(/"hash":"[0-9a-f]{8}/, '"hash":"00000000');
  await tamper(directory, (db) => db.put(storeKeys.pruned, other));
  t.match(await errorOf(Store.open(store, host)), { code: "LEDGER_E_DAMAGED", message: /does not follow/ });

  await tamper(directory, async (db) => {
    const { entry } = readEntry((await db.get(storeKeys.entry(768))) ?? "");
    await db.put(storeKeys.pruned, `{"hash":"${entry?.hash}","seq":768}`);
    await db.clear({ gt: storeKeys.entries.gt, lte: storeKeys.entry(768) });
  });
  t.match(await verifyDirectory(store), {
    ok: false,
    firstBad: { reason: "left-out", message: /up to 768 are gone/ },
  });
  await tamper(directory, async (db) => {
    const tile = await db.get<string, Buffer>(storeKeys.tile(1), { valueEncoding: "buffer" });
    tile?.writeUInt8(tile.readUInt8(9) ^ 1, 9);
    await db.put<string, Buffer>(storeKeys.tile(1), tile ?? Buffer.alloc(0), { valueEncoding: "buffer" });
  });
  t.match(await verifyDirectory(store), { ok: false, firstBad: { reason: /wrong-(tree|root)/ } });
});

async function readPrunedText(directory: string): Promise<string> {
  let text = "";
  await tamper(directory, async (db) => {
    text = (await db.get(storeKeys.pruned)) ?? "";
  });
  return text;
}

t.test("a loss is accepted in a pruned ledger, which stays pruned", async (t) => {
  const directory = await prunedLedger(t);
  const store = join(directory, "store");
  await tamper(directory, (db) => db.del(storeKeys.entry(2000)));
  t.match(await verifyDirectory(store), { ok: false, firstBad: { seq: 2000 } });
  await acceptLoss(store, host, "a test");
  const key = await readFile(join(store, "public-key")).catch(() => null);
  t.equal(key, null, "signed entries are lost: another key");
  const reopened = await Store.open(store, host);
  t.match(reopened.pruned, { seq: 512 });
  t.equal(reopened.state.head.seq, 2000, "1,999 entries and the one that tells");
  t.match(await reopened.ask(compareIndex), { differences: 0 });
  await reopened.close();
  t.match(
    await verifyDirectory(store),
    { ok: true, pruned: 512 },
    "though what has told of the pruning is lost",
  );
});
