import { cp } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import t, { type Test } from "tap";
import { type Entry, prepareEntry } from "./entry.ts";
import { type EntryFilter, labelNames, matches } from "./filter.ts";
import { findEntries } from "./find.ts";
import { findValues, type LabelValue } from "./find-values.ts";
import { planGroup } from "./group.ts";
import { compareIndex } from "./index-store.ts";
import { openLevel, storeKeys } from "./level.ts";
import { blockWidth } from "./postings.ts";
import { Store } from "./store.ts";
import { storePaths } from "./store-parts.ts";
import { errorOf, seededRandom, temporaryDirectory } from "./test-support.ts";

const host = "etl-01";
const actions = ["agent.exit", "agent.exit!", "agent.exits", "generation.switch", "generation.rollback", "é"];
const actors = ["watchd", "operator", "watch"];
const names = ["a", "ab", "a!b", "b"];
const labels = [undefined, "x-1", "x-10", "x-2"];

const timeOf = (minute: number) => new Date(Date.UTC(2026, 10, 23) + minute * 60_000).toISOString();

/** Groups of random sizes, with labels that are each other's beginnings, and a clock that steps back now and then. */
async function fill(store: Store, count: number, seed: number): Promise<void> {
  const random = seededRandom(seed);
  const pick = <T>(values: readonly T[]) => values[Math.floor(random() * values.length)] as T;
  let minute = 0;
  for (let left = count; left > 0; ) {
    const size = Math.min(left, 1 + Math.floor(random() ** 3 * 600));
    const requests = Array.from({ length: size }, () => {
      const [incident, run] = [pick(labels), pick(labels)];
      const writer = pick(actors);
      const draft = {
        action: pick(actions),
        subject: pick(names),
        ...(incident === undefined ? {} : { incident }),
        ...(run === undefined ? {} : { run }),
        details: {},
      };
      return { writer, prepared: prepareEntry(draft, host, writer), key: null };
    });
    await store.commit(planGroup(store.state, new Map(), requests, timeOf(minute)));
    minute += random() < 0.1 ? -20 : 3;
    left -= size;
  }
}

async function entriesOf(store: Store): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  while (entries.length < store.state.head.seq) {
    const lines = await store.read(entries.length, 512);
    entries.push(...lines.map((line) => JSON.parse(line.toString("utf8")) as Entry));
  }
  return entries;
}

const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const minute = fc.integer({ min: -5, max: 200 }).map(timeOf);
const filters = fc
  .record({
    since: optional(minute),
    until: optional(minute),
    action: optional(fc.constantFrom(...actions, "agent.*", "generation.*", "agent.exit*", "*", "none*")),
    actor: optional(fc.constantFrom(...actors)),
    subject: optional(fc.constantFrom(...names, "none")),
    incident: optional(fc.constantFrom("x-1", "x-10", "x-2", "x")),
    run: optional(fc.constantFrom("x-1", "x-10", "x-2")),
  })
  .map(
    (all) =>
      Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as EntryFilter,
  );

async function find(
  store: Store,
  filter: EntryFilter,
  { after, before, limit }: { after: number; before: number; limit: number },
): Promise<readonly number[]> {
  return await store.ask((db, last) =>
    findEntries(db, filter, { after, last: Math.min(last, before - 1), limit }),
  );
}

async function checkFinds(t: Test, store: Store, runs: number): Promise<void> {
  const entries = await entriesOf(store);
  const any = fc.integer({ min: 0, max: entries.length + 3 });
  const befores = fc.oneof(
    fc.constant(Number.POSITIVE_INFINITY),
    any.map((seq) => seq + 1),
  );
  const limits = fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.integer({ min: 1, max: 300 }));
  const property = fc.asyncProperty(filters, any, befores, limits, async (filter, after, before, limit) => {
    const scanned = entries.filter(
      (entry) => entry.seq > after && entry.seq < before && matches(entry, filter),
    );
    const expected = scanned.map(({ seq }) => seq).toReversed();
    t.same(
      await find(store, filter, { after, before, limit }),
      expected.slice(0, limit),
      JSON.stringify(filter),
    );
  });
  await fc.assert(property, { numRuns: runs });
  await checkValues(t, store, entries);
}

async function checkValues(t: Test, store: Store, entries: readonly Entry[]): Promise<void> {
  for (const label of labelNames) {
    const expected = new Map<string, LabelValue>();
    for (const { seq, [label]: value } of entries) {
      if (value !== undefined)
        expected.set(value, { value, first: expected.get(value)?.first ?? seq, last: seq });
    }
    const newestFirst = [...expected.values()].sort((a, b) => b.last - a.last);
    const valuesOf = (limit: number) => store.ask((db, last) => findValues(db, label, last, limit));
    t.same(await valuesOf(Number.POSITIVE_INFINITY), newestFirst, label);
    t.same(await valuesOf(2), newestFirst.slice(0, 2), label);
  }
}

t.test("what the index finds is what a scan finds, for any entries and any filter", async (t) => {
  for (const [seed, count] of [
    [1, 0],
    [2, 3],
    [3, 256],
    [4, 3000],
  ] as const) {
    const store = await Store.open(join(await temporaryDirectory(t), "ledger"), host);
    await fill(store, count, seed);
    await checkFinds(t, store, 60);
    t.match(await store.ask(compareIndex), { entries: count, differences: 0 });
    await store.close();
  }
});

t.test("a store that is opened again goes on with its index, in the middle of a block too", async (t) => {
  const directory = join(await temporaryDirectory(t), "ledger");
  for (const count of [100, 1, 154, 1, 300, 900]) {
    const store = await Store.open(directory, host);
    t.equal(store.indexed, store.state.head.seq);
    await fill(store, count, count);
    t.match(await store.ask(compareIndex), { differences: 0 });
    await store.close();
  }
  const store = await Store.open(directory, host);
  await checkFinds(t, store, 60);
  await store.close();
});

t.test("a ledger of release 0.1.0 is indexed after the fact, while entries are added", async (t) => {
  const directory = join(await temporaryDirectory(t), "ledger");
  await cp(join(import.meta.dirname, "fixtures/store-0.1.0"), directory, { recursive: true });
  const store = await Store.open(directory, host);
  t.equal(store.indexed, 0);
  t.match(await errorOf(find(store, { actor: "watchd" }, { after: 0, before: 9, limit: 1 })), {
    code: "LEDGER_E_INDEXING",
  });
  await fill(store, 5000, 5);
  t.equal(store.indexed, 0);
  await store.indexNext();
  t.equal(store.indexed, 16 * blockWidth);
  await fill(store, 10, 6);
  await store.indexNext();
  t.equal(store.indexed, 5310);
  await checkFinds(t, store, 60);
  await fill(store, 10, 7);
  t.match(await store.ask(compareIndex), { entries: 5320, differences: 0 });
  await store.close();
});

t.test("entries that an older release adds are indexed when a newer one is back", async (t) => {
  const directory = join(await temporaryDirectory(t), "ledger");
  const first = await Store.open(directory, host);
  await fill(first, 700, 8);
  await first.close();
  const db = await openLevel(storePaths(directory).level, false);
  await db.put(storeKeys.indexed, "500");
  await db.close();
  const store = await Store.open(directory, host);
  t.equal(store.indexed, 500);
  await store.indexNext();
  await checkFinds(t, store, 30);
  t.match(await store.ask(compareIndex), { differences: 0 });
  await store.close();
});

t.test("a comparison finds what is missing, changed or too much, and a new index is right", async (t) => {
  const directory = join(await temporaryDirectory(t), "ledger");
  const first = await Store.open(directory, host);
  await fill(first, 1000, 9);
  await first.close();
  const db = await openLevel(storePaths(directory).level, false);
  await db.put<string, Buffer>(storeKeys.posting("actor", "watchd", 0), Buffer.from([1]), {
    valueEncoding: "buffer",
  });
  await db.del(storeKeys.posting("actor", "watchd", 1));
  await db.put(storeKeys.posting("actor", "somebody", 2), "x");
  await db.close();
  const store = await Store.open(directory, host);
  t.match(await store.ask(compareIndex), { entries: 1000, differences: 3 });
  await store.forgetIndex();
  t.match(await errorOf(store.ask(compareIndex)), { code: "LEDGER_E_INDEXING" });
  await store.indexNext();
  t.match(await store.ask(compareIndex), { entries: 1000, differences: 0 });
  await checkFinds(t, store, 30);
  await store.close();
});

t.test("an index that claims more than there is counts as none", async (t) => {
  const directory = join(await temporaryDirectory(t), "ledger");
  const first = await Store.open(directory, host);
  await fill(first, 300, 10);
  await first.close();
  for (const claim of ["301", "nonsense", "-1"]) {
    const db = await openLevel(storePaths(directory).level, false);
    await db.put(storeKeys.indexed, claim);
    await db.close();
    const store = await Store.open(directory, host);
    t.equal(store.indexed, 0, claim);
    await store.indexNext();
    t.match(await store.ask(compareIndex), { differences: 0 });
    await store.close();
  }
});
