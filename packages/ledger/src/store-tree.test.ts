import { cp } from "node:fs/promises";
import { join } from "node:path";
import t, { type Test } from "tap";
import { prepareEntry } from "./entry.ts";
import { planGroup } from "./group.ts";
import { type LedgerDb, openLevel, storeKeys } from "./level.ts";
import { Frontier, leafHash } from "./merkle.ts";
import { isIncluded } from "./merkle-proof.ts";
import { Store } from "./store.ts";
import { storePaths } from "./store-parts.ts";
import { draft, errorOf, temporaryDirectory } from "./test-support.ts";

const host = "etl-01";
/** 300 entries as release 0.1.0 has written them, which knew no tree. */
const oldStore = join(import.meta.dirname, "fixtures/store-0.1.0");

async function append(store: Store, count: number): Promise<void> {
  const prepared = prepareEntry(draft, host, "watchd");
  const requests = Array.from({ length: count }, () => ({ writer: "watchd", prepared, key: null }));
  await store.commit(planGroup(store.state, new Map(), requests, "2026-11-23T10:00:00.000Z"));
}

async function linesOf(store: Store): Promise<readonly Buffer[]> {
  const lines: Buffer[] = [];
  while (lines.length < store.state.head.seq) {
    lines.push(...(await store.read(lines.length, Number.POSITIVE_INFINITY)));
  }
  return lines;
}

/** Checks the tree of a store against its entries, from nothing. */
async function checkTree(t: Test, store: Store): Promise<void> {
  const lines = await linesOf(store);
  const frontier = new Frontier();
  for (const line of lines) frontier.push(leafHash(line));
  const reader = store.tree();
  const root = await reader.root(lines.length);
  t.equal(reader.size, lines.length);
  t.same(root, frontier.root());
  for (const index of [0, 255, 256, lines.length - 1]) {
    const leaf = leafHash(lines[index] ?? "");
    t.ok(isIncluded(leaf, index, lines.length, await reader.inclusion(index, lines.length), root));
  }
}

async function tamper(directory: string, change: (db: LedgerDb) => Promise<unknown>): Promise<void> {
  const db = await openLevel(storePaths(directory).level, false);
  await change(db);
  await db.close();
}

t.test("the tree is over the stored bytes of the entries, before and after opening again", async (t) => {
  const directory = join(await temporaryDirectory(t), "ledger");
  const store = await Store.open(directory, host);
  for (const count of [1, 254, 1, 300, 1500]) await append(store, count);
  await checkTree(t, store);
  await store.close();
  const again = await Store.open(directory, host);
  await checkTree(t, again);
  await append(again, 700);
  await checkTree(t, again);
  await again.close();
});

t.test("a ledger of release 0.1.0 gets its tree when it is opened, and loses nothing", async (t) => {
  const directory = join(await temporaryDirectory(t), "ledger");
  await cp(oldStore, directory, { recursive: true });
  const store = await Store.open(directory, host);
  t.equal(store.state.head.seq, 300);
  t.same(store.state.writers.get("watchd"), [{ epoch: "e1", n: 300 }]);
  await checkTree(t, store);
  await append(store, 300);
  await checkTree(t, store);
  await store.close();
});

t.test("entries that an older release has added meanwhile, without a tree, are added to it", async (t) => {
  const root = await temporaryDirectory(t);
  const directory = join(root, "ledger");
  const store = await Store.open(directory, host);
  await append(store, 3000);
  await store.close();
  // What the older release leaves behind is the same without the tiles and nodes of its own entries.
  await tamper(directory, async (db) => {
    for (let index = 2; index < 11; index++) {
      await db.batch([
        { type: "del", key: storeKeys.tile(index) },
        { type: "del", key: storeKeys.node(8, index) },
      ]);
    }
  });
  const again = await Store.open(directory, host);
  await checkTree(t, again);
  await again.close();
});

t.test("what an older release reads is there under its keys, and nothing else is in its way", async (t) => {
  const directory = join(await temporaryDirectory(t), "ledger");
  const store = await Store.open(directory, host);
  await append(store, 600);
  await store.close();
  await tamper(directory, async (db) => {
    t.equal(await db.get("meta"), '{"format":1,"host":"etl-01"}');
    t.equal(await db.get("head"), `{"hash":"${store.state.head.hash}","seq":600}`);
    t.equal((await db.keys({ gt: "entry!", lt: 'entry"' }).all()).length, 600);
    t.same(await db.keys({ gt: "writer!", lt: 'writer"' }).all(), []);
  });
});

t.test("a tree that does not agree with the entries keeps a ledger from opening", async (t) => {
  const good = join(await temporaryDirectory(t), "ledger");
  const store = await Store.open(good, host);
  await append(store, 2000);
  await store.close();
  const buffer = { valueEncoding: "buffer" } as const;
  const put = (key: string, value: Buffer) => (db: LedgerDb) => db.put<string, Buffer>(key, value, buffer);
  const attacks: readonly (readonly [string, RegExp, (db: LedgerDb) => Promise<unknown>])[] = [
    ["changed", /entries 1537 to 1792 are not those of its tree/, put(storeKeys.tile(6), Buffer.alloc(8192))],
    ["a node changed", /node 6 of level 8/, put(storeKeys.node(8, 6), Buffer.alloc(32))],
    ["a node deleted", /node 1 of level 8/, (db) => db.del(storeKeys.node(8, 1))],
    ["longer", /ends at entry 2000, but its tree knows 2048/, put(storeKeys.tile(7), Buffer.alloc(8192))],
    ["a strange key", /none of its tree's/, put("tile!x", Buffer.alloc(0))],
  ];
  for (const [name, message, attack] of attacks) {
    const directory = join(await temporaryDirectory(t), "ledger");
    await cp(good, directory, { recursive: true });
    await tamper(directory, attack);
    t.match(await errorOf(Store.open(directory, host)), { code: "LEDGER_E_DAMAGED", message }, name);
  }
});
