import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import t, { type Test } from "tap";
import { acceptLoss } from "./accept-loss.ts";
import { faultsOfDetails } from "./action-faults.ts";
import { connectLedger } from "./client.ts";
import { type Entry, prepareEntry, readEntry, sealEntry } from "./entry.ts";
import { type LedgerDb, openLevel, storeKeys } from "./level.ts";
import { signLedger } from "./proof-client.ts";
import { readEntries } from "./reader.ts";
import { type Ledgerd, startLedgerd } from "./server.ts";
import { keyPaths } from "./signing-key.ts";
import { Store } from "./store.ts";
import { storePaths } from "./store-parts.ts";
import { draft, errorOf, temporaryDirectory } from "./test-support.ts";
import { readVerifier } from "./trust-files.ts";
import { verifyDirectory } from "./verify-directory.ts";

async function serve(
  t: Test,
  directory: string,
  accepts = false,
): Promise<Ledgerd & { readonly socket: string }> {
  const fail = (error: unknown) => t.fail(String(error));
  const ledgerd = await startLedgerd({
    store: join(directory, "store"),
    sockets: directory,
    host: "etl-01",
    writers: ["watchd"],
    acceptLoss: accepts,
    pace: { everyEntries: 1_000_000, everyMs: 3_600_000 },
    onTrouble: fail,
    onProblem: fail,
    onFatal: fail,
  });
  t.teardown(() => ledgerd.stop());
  return { ...ledgerd, socket: join(directory, "watchd.sock") };
}

async function append(socket: string, count: number): Promise<void> {
  const connection = await connectLedger({ socket });
  for (let n = 1; n <= count; n += 1)
    await connection.append({ ...draft, details: { n }, key: { epoch: "e", n } });
  await connection.close();
}

async function entriesOf(socket: string): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  for await (const { entry } of readEntries({ socket })) entries.push(entry);
  return entries;
}

/** A stopped ledger of 300 entries: a checkpoint over 200, and, because it was killed, none over the rest. */
async function killedLedger(t: Test): Promise<string> {
  const directory = await temporaryDirectory(t);
  const ledgerd = await serve(t, directory);
  await append(ledgerd.socket, 200);
  await signLedger({ socket: ledgerd.socket });
  await ledgerd.stop();
  const store = await Store.open(join(directory, "store"), "etl-01");
  const chain = store.state;
  const prepared = prepareEntry(draft, "etl-01", "watchd");
  const entries = [];
  let { head } = chain;
  for (let seq = 201; seq <= 300; seq += 1) {
    const sealed = sealEntry(prepared, head.hash, seq, "2026-11-23T10:00:00.000Z");
    entries.push(sealed);
    head = { seq, hash: sealed.hash };
  }
  const next = { head, writers: chain.writers };
  await store.commit({ outcomes: [], entries, next, firstKeys: [], held: new Map() });
  await store.close();
  return directory;
}

type Damage = (store: string) => Promise<unknown>;

const inDb =
  (change: (db: LedgerDb) => Promise<unknown>): Damage =>
  async (store) => {
    const db = await openLevel(storePaths(store).level, false);
    await change(db);
    await db.close();
  };

/** Rewrites everything from `from` on, hashes and head included, as whoever owns the disk can. */
const rewrite = (from: number) =>
  inDb(async (db) => {
    let prev = "";
    for (let seq = from - 1; seq <= 300; seq += 1) {
      const { entry } = readEntry((await db.get(storeKeys.entry(seq))) ?? "");
      if (entry === null) throw new Error(`no entry ${seq}`);
      if (seq >= from) {
        const forged = prepareEntry({ ...entry, details: { forged: seq } }, entry.host, entry.actor);
        const sealed = sealEntry(forged, prev, seq, entry.time);
        await db.put(storeKeys.entry(seq), sealed.line);
        prev = sealed.hash;
      } else prev = entry.hash;
    }
    await db.put(storeKeys.head, `{"hash":"${prev}","seq":300}`);
  });

/** LevelDB's log files: what it changes when it opens a database, and what is therefore kept from before. */
async function logsOf(...directories: readonly string[]): Promise<Record<string, string>> {
  const logs: Record<string, string> = {};
  for (const directory of directories) {
    const names = await readdir(directory).catch(() => []);
    for (const name of names.filter((one) => one.endsWith(".log"))) {
      logs[name] ??= await readFile(join(directory, name), "latin1");
    }
  }
  return logs;
}

/** What is damaged, how many entries are left, and whether entries that were signed are lost with it. */
const damages: readonly (readonly [string, number, boolean, Damage])[] = [
  ["an entry deleted above the checkpoint", 249, false, inDb((db) => db.del(storeKeys.entry(250)))],
  ["an entry garbled below the checkpoint", 49, true, inDb((db) => db.put(storeKeys.entry(50), "garbage"))],
  ["the end rewritten above the checkpoint", 300, false, rewrite(260)],
  ["the end rewritten below the checkpoint", 0, true, rewrite(150)],
  ["a tile of the tree changed", 300, false, inDb((db) => db.put(storeKeys.tile(0), "x".repeat(8192)))],
  ["the head garbled", 300, false, inDb((db) => db.put(storeKeys.head, "garbage"))],
  ["the head file garbled", 300, false, (store) => writeFile(storePaths(store).head, "garbage")],
  ["LevelDB's CURRENT gone", 0, true, (store) => rm(join(storePaths(store).level, "CURRENT"))],
  ["everything gone but the head file", 0, true, (store) => rm(storePaths(store).level, { recursive: true })],
];

t.test("a damaged ledger is refused; with --accept-loss it goes on, and says what was lost", async (t) => {
  const good = await killedLedger(t);
  for (const [name, left, signedLost, damage] of damages) {
    const directory = await temporaryDirectory(t);
    const store = join(directory, "store");
    await cp(join(good, "store"), store, { recursive: true });
    await damage(store);
    const logs = await logsOf(storePaths(store).level);
    const refused = await errorOf(serve(t, directory));
    t.equal(refused.code, "LEDGER_E_DAMAGED", name);
    t.match(refused.hint, /--accept-loss/);
    const key = await readFile(keyPaths(store).private, "utf8");
    const ledgerd = await serve(t, directory, true);
    const entries = await entriesOf(ledgerd.socket);
    t.equal(entries.length, left + 1, name);
    const loss = entries.at(-1);
    t.same(faultsOfDetails("ledger.accept-loss", loss?.details ?? {}), [], name);
    t.match(loss, { action: "ledger.accept-loss", actor: "ledgerd", subject: "ledger" }, name);
    t.same(loss?.details.lost, left === 300 ? null : { from: left + 1, to: 300 }, name);
    t.match(loss?.details, { key: signedLost ? "replaced" : "kept", why: /./ }, name);
    if (left < 300)
      t.match(loss?.details.lostHead, /^[0-9a-f]{64}$/, `${name}: the hash that stands for what is lost`);
    const aside = join(store, String(loss?.details.setAside));
    const kept = await logsOf(storePaths(aside).keptLogs, storePaths(aside).level);
    t.match(kept, logs, `${name}: the evidence is as it was before anybody opened it`);
    t.equal((await readFile(keyPaths(store).private, "utf8")) !== key, signedLost, name);
    if (signedLost) t.equal(await readFile(keyPaths(aside).private, "utf8"), key);
    await append(ledgerd.socket, 2);
    await ledgerd.stop();
    t.match(await verifyDirectory(store), { ok: true }, name);
    t.notOk((await readdir(store)).includes("salvage"));
    await (await serve(t, directory, true)).stop();
    t.equal((await readdir(join(store, "damaged"))).length, 1, `${name}: nothing to accept the second time`);
  }
});

t.test("a crash while a loss is accepted leaves the damaged ledger or the new one", async (t) => {
  const good = await killedLedger(t);
  await inDb((db) => db.del(storeKeys.entry(250)))(join(good, "store"));
  const names = ["entries", "head"] as const;
  // The steps of the swap, each of which may be the last that was carried out.
  for (let steps = 0; steps <= 4; steps += 1) {
    const directory = await temporaryDirectory(t);
    const store = join(directory, "store");
    await cp(join(good, "store"), store, { recursive: true });
    const complete = await temporaryDirectory(t);
    await cp(store, join(complete, "store"), { recursive: true });
    await acceptLoss(join(complete, "store"), "etl-01", "why");
    const aside = join(store, "damaged/then");
    const salvage = join(store, "salvage/store");
    await mkdir(salvage, { recursive: true });
    for (const name of names)
      await cp(join(complete, "store", name), join(salvage, name), { recursive: true });
    await writeFile(join(store, "salvage/plan"), "then");
    await mkdir(aside, { recursive: true });
    const swap = [
      () => rename(join(store, "entries"), join(aside, "entries")),
      () => cp(join(store, "head"), join(aside, "head")),
      () => rename(join(salvage, "head"), join(store, "head")),
      () => rename(join(salvage, "entries"), join(store, "entries")),
    ];
    for (const step of swap.slice(0, steps)) await step();
    if (steps < 4) t.equal((await errorOf(serve(t, directory))).code, "LEDGER_E_DAMAGED", `${steps} steps`);
    const ledgerd = await serve(t, directory, true);
    t.equal((await entriesOf(ledgerd.socket)).length, 250, `${steps} steps`);
    await ledgerd.stop();
    t.equal((await readdir(join(aside, "entries"))).includes("CURRENT"), true);
  }
});

t.test("a crash before the new ledger is whole changes nothing", async (t) => {
  const directory = await killedLedger(t);
  const store = join(directory, "store");
  await inDb((db) => db.del(storeKeys.entry(250)))(store);
  await mkdir(join(store, "salvage/copy"), { recursive: true });
  await writeFile(join(store, "salvage/copy/CURRENT"), "half");
  const ledgerd = await serve(t, directory, true);
  t.equal((await entriesOf(ledgerd.socket)).length, 250);
});

t.test("a good ledger is left as it is, and another fault than damage is not accepted", async (t) => {
  const directory = await killedLedger(t);
  const ledgerd = await serve(t, directory, true);
  t.equal((await entriesOf(ledgerd.socket)).length, 300);
  t.equal((await errorOf(serve(t, directory, true))).code, "LEDGER_E_LOCKED");
  await ledgerd.stop();
  t.notOk((await readdir(join(directory, "store"))).includes("damaged"));
});

t.test(
  "a key that is lost for good is replaced with --accept-loss alone, and the ledger says so",
  async (t) => {
    const directory = await killedLedger(t);
    const store = join(directory, "store");
    const old = await readVerifier(keyPaths(store).public);
    await rm(keyPaths(store).private);
    t.equal((await errorOf(serve(t, directory))).code, "LEDGER_E_KEY");
    const ledgerd = await serve(t, directory, true);
    const entries = await entriesOf(ledgerd.socket);
    t.match(entries.at(-1), {
      seq: 301,
      action: "ledger.accept-loss",
      details: { lost: null, key: "replaced" },
    });
    t.same(faultsOfDetails("ledger.accept-loss", entries.at(-1)?.details ?? {}), []);
    await append(ledgerd.socket, 1);
    await ledgerd.stop();
    const trust = { key: await readVerifier(keyPaths(store).public), witness: null };
    t.not(trust.key.vkey, old.vkey);
    t.match(await verifyDirectory(store, trust), { ok: true, signed: 301 });
    t.match(await verifyDirectory(store, { key: old, witness: null }), { ok: true, signed: 200 });
    await (await serve(t, directory)).stop();
  },
);
