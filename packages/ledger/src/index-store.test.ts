import { cp } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { compareIndex, forgetIndex } from "./index-store.ts";
import { checkFinds, fill, find, host } from "./index-test-support.ts";
import { type LedgerDb, openLevel, storeKeys } from "./level.ts";
import { blockWidth } from "./postings.ts";
import { compareDirectoryIndex, reindexDirectory } from "./reindex.ts";
import { Store } from "./store.ts";
import { storePaths } from "./store-parts.ts";
import { errorOf, temporaryDirectory } from "./test-support.ts";

/** What somebody else does to a store that is not open. */
async function changing(directory: string, change: (db: LedgerDb) => Promise<void>): Promise<void> {
  const db = await openLevel(storePaths(directory).level, false);
  await change(db);
  await db.close();
}

t.test("a store that is opened again goes on with its index, in the middle of a block too", async (t) => {
  const directory = join(await temporaryDirectory(t), "ledger");
  for (const count of [100, 155, 1, 300]) {
    const store = await Store.open(directory, host);
    t.equal(store.indexed, store.state.head.seq);
    await fill(store, count, count);
    t.match(await store.ask(compareIndex), { differences: 0 });
    await store.close();
  }
  const store = await Store.open(directory, host);
  await checkFinds(t, store, 8);
  await store.close();
});

t.test("a ledger of release 0.1.0 is indexed after the fact, while entries are added", async (t) => {
  const directory = join(await temporaryDirectory(t), "ledger");
  await cp(join(import.meta.dirname, "fixtures/store-0.1.0"), directory, { recursive: true });
  let store = await Store.open(directory, host);
  t.equal(store.indexed, 0);
  t.equal(store.indexFault, null);
  t.match(await errorOf(find(store, { actor: "watchd" }, { after: 0, before: 9, limit: 1 })), {
    code: "LEDGER_E_INDEXING",
  });
  await fill(store, 4200, 5);
  t.equal(store.indexed, 0);
  await store.indexNext();
  t.equal(store.indexed, 16 * blockWidth);
  await store.close();
  store = await Store.open(directory, host);
  t.equal(store.indexed, 16 * blockWidth, "what is interrupted goes on where it was");
  await fill(store, 10, 6);
  await store.indexNext();
  t.equal(store.indexed, 4510);
  await checkFinds(t, store, 8);
  await fill(store, 10, 7);
  t.match(await store.ask(compareIndex), { entries: 4520, differences: 0 });
  await store.close();
});

t.test("entries that an older release adds are indexed when a newer one is back", async (t) => {
  const directory = join(await temporaryDirectory(t), "ledger");
  const kept = new Map<string, Buffer>();
  for (const count of [500, 200]) {
    const store = await Store.open(directory, host);
    await fill(store, count, count);
    await store.close();
    if (count === 200) continue;
    await changing(directory, async (db) => {
      for await (const [key, value] of db.iterator<string, Buffer>({ valueEncoding: "buffer" })) {
        if (/^(index!|time!|indexed)/.test(key)) kept.set(key, value);
      }
    });
  }
  // An older release does not know the index, and leaves it as it was.
  await changing(directory, async (db) => {
    await forgetIndex(db, 0);
    for (const [key, value] of kept) await db.put<string, Buffer>(key, value, { valueEncoding: "buffer" });
  });
  const store = await Store.open(directory, host);
  t.equal(store.indexed, 500);
  t.equal(store.indexFault, null);
  await store.indexNext();
  await checkFinds(t, store, 8);
  t.match(await store.ask(compareIndex), { differences: 0 });
  await store.close();
});

t.test("a comparison finds what is missing, changed or too much, and a new index is right", async (t) => {
  const directory = join(await temporaryDirectory(t), "ledger");
  const first = await Store.open(directory, host);
  await fill(first, 2000, 9);
  await first.close();
  await changing(directory, async (db) => {
    const wrong = storeKeys.posting("actor", "watchd", 0);
    await db.put<string, Buffer>(wrong, Buffer.from([1]), { valueEncoding: "buffer" });
    await db.del(storeKeys.posting("actor", "watchd", 1));
    await db.put(storeKeys.posting("actor", "somebody", 2), "x");
  });
  const store = await Store.open(directory, host);
  t.match(await store.ask(compareIndex), { entries: 2000, differences: 3 });
  await store.forgetIndex();
  t.match(await errorOf(store.ask(compareIndex)), { code: "LEDGER_E_INDEXING" });
  await store.indexNext();
  t.match(await store.ask(compareIndex), { entries: 2000, differences: 0 });
  await checkFinds(t, store, 8);
  await store.close();
});

t.test("a damaged index is noticed when the store is opened, and made anew", async (t) => {
  const directory = join(await temporaryDirectory(t), "ledger");
  const first = await Store.open(directory, host);
  await fill(first, 300, 10);
  await first.close();
  const damage: readonly (readonly [string, RegExp, (db: LedgerDb) => Promise<void>])[] = [
    ...["301 2", "300 3", "nonsense"].map(
      (claim) => [claim, /^claims/, (db: LedgerDb) => db.put(storeKeys.indexed, claim)] as const,
    ),
    ["an older form", /^is that of an older release/, (db) => db.put(storeKeys.indexed, "300")],
    ["no newest values", /^is not what/, (db) => db.del(storeKeys.recent("incident", 1))],
    ["no postings", /^is not what/, (db) => db.clear(storeKeys.postings)],
    ["one is missing", /^is not what/, (db) => db.del(storeKeys.posting("actor", "watchd", 1))],
    ["one is wrong", /^is not what/, (db) => db.put(storeKeys.posting("actor", "watchd", 0), "x")],
    ["no times", /^has lost/, (db) => db.clear(storeKeys.spans)],
    ["a time is missing", /^has lost/, (db) => db.del(storeKeys.span(0, 0))],
    ["a time is unreadable", /^has lost/, (db) => db.put(storeKeys.span(1, 0), "x")],
  ];
  for (const [what, why, change] of damage) {
    await changing(directory, change);
    const store = await Store.open(directory, host);
    t.equal(store.indexed, 0, what);
    t.match(store.indexFault, why, what);
    await store.indexNext();
    t.match(await store.ask(compareIndex), { differences: 0 });
    await store.close();
  }
});

t.test(
  "without ledgerd the index is made anew in the ledger's directory, also after an interruption",
  async (t) => {
    const directory = join(await temporaryDirectory(t), "ledger");
    const never = new AbortController().signal;
    const absent = reindexDirectory(directory, { onProgress: () => undefined, signal: never });
    t.match(await errorOf(absent), { code: "LEDGER_E_NOT_FOUND" });
    const first = await Store.open(directory, host);
    await fill(first, 4200, 11);
    const locked = reindexDirectory(directory, { onProgress: () => undefined, signal: never });
    t.match(await errorOf(locked), { code: "LEDGER_E_LOCKED" });
    await first.close();
    await changing(directory, (db) => db.del(storeKeys.posting("actor", "watchd", 0)));
    t.match(await compareDirectoryIndex(directory), { entries: 4200, differences: 1 });
    const stop = new AbortController();
    const stopped = reindexDirectory(directory, { onProgress: () => stop.abort(), signal: stop.signal });
    await t.rejects(stopped, { name: "AbortError" });
    t.match(await errorOf(compareDirectoryIndex(directory)), { code: "LEDGER_E_INDEXING" });
    const progress: number[] = [];
    const onProgress = (indexed: number) => progress.push(indexed);
    t.equal(await reindexDirectory(directory, { onProgress, signal: never }), 4200);
    t.same(progress, [4096, 4200]);
    t.match(await compareDirectoryIndex(directory), { entries: 4200, differences: 0 });
  },
);
