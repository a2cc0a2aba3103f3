import { join } from "node:path";
import t from "tap";
import { prepareEntry } from "./entry.ts";
import type { EntryFilter } from "./filter.ts";
import { type FindRange, findEntries } from "./find.ts";
import { findValues } from "./find-values.ts";
import { planGroup } from "./group.ts";
import { compareIndex } from "./index-store.ts";
import { checkFinds, fill, host, timeOf } from "./index-test-support.ts";
import { type LedgerDb, openLevel, storeKeys } from "./level.ts";
import { blockWidth } from "./postings.ts";
import { Store } from "./store.ts";
import { temporaryDirectory } from "./test-support.ts";

t.test("what the index finds is what a scan finds, for any entries and any filter", async (t) => {
  for (const [seed, count] of [
    [1, 0],
    [2, 3],
    [3, 256],
    [4, 3000],
  ] as const) {
    const store = await Store.open(join(await temporaryDirectory(t), "ledger"), host);
    await fill(store, count, seed);
    await checkFinds(t, store, 40);
    t.match(await store.ask(compareIndex), { entries: count, differences: 0 });
    await store.close();
  }
});

/** The same database, counting the entries that are read of it. */
function countingReads(db: LedgerDb): { readonly db: LedgerDb; readonly reads: () => number } {
  let reads = 0;
  const isEntry = (key: unknown) => typeof key === "string" && key.startsWith(storeKeys.entries.gt);
  const counting: ProxyHandler<LedgerDb> = {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        for (const key of args.flat()) if (isEntry(key)) reads += 1;
        const { gt, gte } = (args[0] ?? {}) as { gt?: unknown; gte?: unknown };
        if (isEntry(gt) || isEntry(gte)) reads = Number.POSITIVE_INFINITY;
        return Reflect.apply(value, target, args);
      };
    },
  };
  return { db: new Proxy(db, counting), reads: () => reads };
}

t.test("an answer costs what it holds, not what the ledger holds", async (t) => {
  const store = await Store.open(join(await temporaryDirectory(t), "ledger"), host);
  const count = 20 * blockWidth;
  const rare = new Set([7, 2000, 2001, 4999]);
  for (let seq = 1; seq <= count; seq += blockWidth) {
    const requests = Array.from({ length: blockWidth }, (_, place) => {
      const subject = rare.has(seq + place) ? "rare" : "common";
      return {
        writer: "watchd",
        prepared: prepareEntry({ action: "a.b", subject, details: {} }, host, "watchd"),
        key: null,
      };
    });
    await store.commit(planGroup(store.state, new Map(), requests, timeOf(seq)));
  }
  const all = { after: 0, last: count, limit: Number.POSITIVE_INFINITY } as const;
  const cases: [EntryFilter, Omit<FindRange, "begin">, number, number][] = [
    [{ subject: "rare" }, all, 4, 0],
    [{ subject: "rare", actor: "watchd", action: "a.*" }, all, 4, 0],
    [{ subject: "common" }, { ...all, limit: 3 }, 3, 0],
    [{ since: timeOf(1), until: timeOf(1) }, all, blockWidth, 0],
    // The groups of one time are blocks here; a time between two of them has nothing.
    [{ since: timeOf(2), until: timeOf(200) }, all, 0, 0],
    [{ subject: "rare", since: timeOf(1 + blockWidth) }, all, 3, 0],
    [{ subject: "none" }, all, 0, 0],
  ];
  for (const begin of ["oldest", "newest"] as const) {
    for (const [filter, range, expected, entriesRead] of cases) {
      const asked = await store.ask(async (db) => {
        const counting = countingReads(db);
        const found = await findEntries(counting.db, filter, { ...range, begin });
        return { found: found.length, reads: counting.reads() };
      });
      t.same(asked, { found: expected, reads: entriesRead }, JSON.stringify({ filter, begin }));
    }
  }
  await store.close();
});

t.test("only where a block reaches beyond the time that is asked for, its entries are read", async (t) => {
  const store = await Store.open(join(await temporaryDirectory(t), "ledger"), host);
  for (let minute = 0; minute < 30; minute += 1) {
    const requests = Array.from({ length: 100 }, () => {
      const draft = { action: "a.b", subject: "s", details: {} };
      return { writer: "watchd", prepared: prepareEntry(draft, host, "watchd"), key: null };
    });
    await store.commit(planGroup(store.state, new Map(), requests, timeOf(minute)));
  }
  const { found, reads } = await store.ask(async (db, last) => {
    const counting = countingReads(db);
    const filter = { since: timeOf(5), until: timeOf(24), subject: "s" };
    const range = { after: 0, last, limit: Number.POSITIVE_INFINITY, begin: "oldest" } as const;
    return { found: (await findEntries(counting.db, filter, range)).length, reads: counting.reads() };
  });
  t.equal(found, 2000);
  t.ok(reads > 0 && reads <= 2 * blockWidth, `${reads} entries read`);
  await store.close();
});

t.test("values are found whole, be they many and long or one in many blocks", async (t) => {
  const directory = await temporaryDirectory(t);
  const db = await openLevel(join(directory, "level"), true);
  t.teardown(() => db.close());
  const put = (value: string, block: number) =>
    ({
      type: "put",
      key: storeKeys.posting("run", value, block),
      value: Buffer.from([3, 9]),
      valueEncoding: "buffer",
    }) as const;
  const long = (n: number) => `${String(n).padStart(4, "0")}${"x".repeat(240)}`;
  const blocks = 700;
  const operations = Array.from({ length: blocks }, (_, n) => [
    put(long(n), n),
    put("middle", n),
    put("0350y", n),
  ]);
  await db.batch<string, Buffer>(operations.flat(), { sync: false });
  const last = blocks * blockWidth;
  const every = (value: string) => ({ value, first: 4, last: last - blockWidth + 10 });
  const expected = [every("middle"), every("0350y")];
  const found = await findValues(db, "run", last, 100_000);
  t.equal(found.length, blocks + expected.length);
  for (const one of expected)
    t.same(
      found.filter(({ value }) => value === one.value),
      [one],
    );
  t.same(
    found.filter(({ value }) => value.length > 10).map(({ value }) => value),
    Array.from({ length: blocks }, (_, n) => long(blocks - 1 - n)),
    "each once, the newest first",
  );
  t.match(found.at(-1), { value: long(0), first: 4, last: 10 });
  t.equal((await findValues(db, "run", last, 3)).length, 3);
});
