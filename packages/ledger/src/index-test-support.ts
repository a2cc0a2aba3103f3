import fc from "fast-check";
import type { Test } from "tap";
import { type Entry, prepareEntry } from "./entry.ts";
import { type EntryFilter, labelNames, matches } from "./filter.ts";
import { findEntries } from "./find.ts";
import { findValues, type LabelValue } from "./find-values.ts";
import { planGroup } from "./group.ts";
import type { Store } from "./store.ts";
import { seededRandom } from "./test-support.ts";

export const host = "etl-01";
const actions = ["agent.exit", "agent.exit!", "agent.exits", "generation.switch", "generation.rollback", "é"];
const actors = ["watchd", "operator", "watch"];
const names = ["a", "ab", "a!b", "b"];
const labels = [undefined, "x-1", "x-10", "x-2"];

/** `minute` minutes after some moment. */
export const timeOf = (minute: number) => new Date(Date.UTC(2026, 10, 23) + minute * 60_000).toISOString();

/** Groups of random sizes, with labels that are each other's beginnings, and a clock that steps back now and then. */
export async function fill(store: Store, count: number, seed: number): Promise<void> {
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

interface Window {
  readonly after: number;
  readonly before: number;
  readonly limit: number;
  readonly begin?: "oldest" | "newest";
}

export async function find(
  store: Store,
  filter: EntryFilter,
  { after, before, limit, begin = "newest" }: Window,
): Promise<readonly number[]> {
  return await store.ask((db, last) =>
    findEntries(db, filter, { after, last: Math.min(last, before - 1), limit, begin }),
  );
}

/** That the index finds what a scan finds. */
export async function checkFinds(t: Test, store: Store, runs: number): Promise<void> {
  const entries = await entriesOf(store);
  const any = fc.integer({ min: 0, max: entries.length + 3 });
  const befores = fc.oneof(
    fc.constant(Number.POSITIVE_INFINITY),
    any.map((seq) => seq + 1),
  );
  const limits = fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.integer({ min: 1, max: 300 }));
  const windows = fc.record({
    after: any,
    before: befores,
    limit: limits,
    begin: fc.constantFrom("oldest", "newest"),
  });
  const property = fc.asyncProperty(filters, windows, async (filter, window) => {
    const { after, before, limit, begin } = window;
    const scanned = entries.filter(
      (entry) => entry.seq > after && entry.seq < before && matches(entry, filter),
    );
    const inOrder = scanned.map(({ seq }) => seq);
    const expected = begin === "oldest" ? inOrder : inOrder.toReversed();
    const found = await find(store, filter, window);
    return String(found) === String(expected.slice(0, limit));
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
