import t from "tap";
import { findRuns, type Search } from "./adoption.ts";
import type { Markers } from "./markers.ts";
import type { ProcessInfo } from "./process-table.ts";
import type { RunRecord } from "./run-record.ts";

const record: RunRecord = {
  agent: "a",
  runId: "r1",
  digest: "d1",
  pid: 100,
  startTicks: 1000,
  bootId: "boot",
  owner: "us",
  startedAt: 5,
};

function info(pid: number, overrides: Partial<ProcessInfo> = {}): ProcessInfo {
  const base = {
    group: pid,
    session: pid,
    startTicks: 1000,
    alive: true,
    kernelThread: false,
    waitStatus: 0,
    cpuTicks: 0,
    tasks: 1,
    residentPages: 0,
  };
  return { pid, ...base, ...overrides };
}

const marked = (runId: string): Markers => ({ owner: "us", agent: "a", runId, digest: `of-${runId}` });

function search(
  processes: readonly ProcessInfo[],
  markers: Readonly<Record<number, Markers>> = {},
  overrides: Partial<Search> = {},
) {
  return findRuns({
    table: new Map(processes.map((one) => [one.pid, one])),
    markersOf: (pid) => markers[pid] ?? null,
    records: [],
    owner: "us",
    bootId: "boot",
    known: new Set(),
    leaders: new Map(),
    leadersOnly: false,
    self: 1,
    wallOf: (ticks) => ticks * 10,
    ...overrides,
  });
}

t.test("a record whose process lives is a run", async (t) => {
  t.same(search([info(100)], {}, { records: [record] }), {
    alive: [{ run: { agent: "a", runId: "r1", digest: "d1", pid: 100, startedAt: 5 }, startTicks: 1000 }],
    leftovers: [],
  });
});

const stale: readonly (readonly [string, ProcessInfo, RunRecord])[] = [
  ["whose pid belongs to a later process", info(100, { startTicks: 1001 }), record],
  ["whose process is a zombie", info(100, { alive: false }), record],
  ["whose process is gone", info(101), record],
  ["of another boot", info(100), { ...record, bootId: "earlier" }],
  ["of another state directory", info(100), { ...record, owner: "them" }],
];
for (const [what, process, of] of stale) {
  t.test(`a record ${what} is no run`, async (t) => {
    t.same(search([process], {}, { records: [of] }), { alive: [], leftovers: [] });
  });
}

t.test("a session leader with our markers is a run though nothing was recorded", async (t) => {
  const expected = { agent: "a", runId: "r2", digest: "of-r2", pid: 300, startedAt: 20_000 };
  const found = search([info(300, { startTicks: 2000 })], { 300: marked("r2") });
  t.same(found, { alive: [{ run: expected, startTicks: 2000 }], leftovers: [] });
});

t.test("two live runs of one agent are both found", async (t) => {
  const found = search(
    [info(100), info(300)],
    { 100: marked("r1"), 300: marked("r2") },
    { records: [record] },
  );
  t.same(found.alive.map(({ run }) => run.runId).sort(), ["r1", "r2"]);
});

t.test("the eldest of several session leaders of a run leads it", async (t) => {
  const table = [
    info(299, { startTicks: 2001 }),
    info(300, { startTicks: 2000 }),
    info(301, { startTicks: 2000 }),
  ];
  const found = search(table, { 299: marked("r2"), 300: marked("r2"), 301: marked("r2") });
  t.same(
    found.alive.map(({ run }) => run.pid),
    [300],
  );
  t.same(found.leftovers, []);
});

t.test("a child in its own session does not stand in for a leader that is known to be dead", async (t) => {
  const found = search([info(300)], { 300: marked("r1") }, { records: [record] });
  t.same(found.alive, []);
  t.same(found.leftovers, [{ agent: "a", runId: "r1", digest: "of-r1" }]);
});

t.test("what a dead leader left in its session is a leftover", async (t) => {
  const found = search([info(101, { session: 100 })], { 101: marked("r1") });
  t.same(found, { alive: [], leftovers: [{ agent: "a", runId: "r1", digest: "of-r1" }] });
});

t.test("children of a live run are neither runs nor leftovers", async (t) => {
  const table = [info(100), info(101, { session: 100 }), info(102)];
  const found = search(table, { 100: marked("r1"), 101: marked("r1"), 102: marked("r1") });
  t.same(
    found.alive.map(({ run }) => run.pid),
    [100],
  );
  t.same(found.leftovers, []);
});

t.test("runs that are known are not found again, and neither are we ourselves", async (t) => {
  const options = { records: [record], known: new Set(["r1"]), self: 300 };
  t.same(search([info(100), info(300)], { 100: marked("r1"), 300: marked("r2") }, options), {
    alive: [],
    leftovers: [],
  });
});

t.test("strangers and other state directories are left alone", async (t) => {
  const markers = { 300: { ...marked("r1"), owner: "them" } };
  t.same(search([info(300), info(301)], markers), { alive: [], leftovers: [] });
});

t.test("a search for leaders only reads no other process's environment", async (t) => {
  const read: number[] = [];
  const markersOf = (pid: number) => {
    read.push(pid);
    return null;
  };
  search(
    [info(100), info(101, { session: 100 }), info(102, { kernelThread: true }), info(103)],
    {},
    { leadersOnly: true, leaders: new Map([[103, info(103).startTicks]]), markersOf },
  );
  t.same(read, [100]);
});
