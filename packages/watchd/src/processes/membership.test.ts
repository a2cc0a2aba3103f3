import fc from "fast-check";
import t from "tap";
import type { Markers } from "./markers.ts";
import { membersOf, type RunIdentity, type World } from "./membership.ts";
import type { ProcessInfo } from "./process-table.ts";

const run: RunIdentity = { runId: "r1", pid: 100, startTicks: 1000, sessionTrusted: true };

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

function world(processes: readonly ProcessInfo[], markers: Readonly<Record<number, Markers>> = {}): World {
  return {
    table: new Map(processes.map((one) => [one.pid, one])),
    owner: "us",
    markersOf: (pid) => markers[pid] ?? null,
    self: 1,
  };
}

const marked: Markers = { owner: "us", agent: "a", runId: "r1", digest: "d" };

function pidsOf(runs: readonly RunIdentity[], world: World): readonly number[] {
  return (membersOf(runs, world).get("r1") ?? []).map(({ pid }) => pid);
}

t.test("the session of a run is the run, whatever its process groups", async (t) => {
  const table = [info(100), info(101, { session: 100, group: 100 }), info(102, { session: 100 }), info(103)];
  t.same(pidsOf([run], world(table)), [100, 101, 102]);
});

t.test("what moved to another session is still the run's by its markers", async (t) => {
  t.same(pidsOf([run], world([info(100), info(500)], { 500: marked })), [100, 500]);
});

t.test("markers of another state directory or another run are none", async (t) => {
  const markers = { 500: { ...marked, owner: "them" }, 501: { ...marked, runId: "r2" } };
  t.same(pidsOf([run], world([info(500), info(501)], markers)), []);
});

t.test("a session whose leader's pid came back belongs to somebody else", async (t) => {
  const stranger = info(100, { startTicks: 9000 });
  t.same(pidsOf([run], world([stranger, info(101, { session: 100, startTicks: 9000 })])), []);
});

t.test("a session whose leader is gone counts only while it was watched without a gap", async (t) => {
  const orphan = info(101, { session: 100 });
  t.same(pidsOf([run], world([orphan])), [101]);
  t.same(pidsOf([{ ...run, sessionTrusted: false }], world([orphan])), []);
  t.same(pidsOf([{ ...run, sessionTrusted: false }], world([orphan], { 101: marked })), [101]);
});

t.test("a watchd that an agent started is not killed with the agent", async (t) => {
  t.same(pidsOf([run], { ...world([info(100), info(101, { session: 100 })]), self: 101 }), [100]);
});

t.test("the environment of processes older than the run is not even read", async (t) => {
  const read: number[] = [];
  const markersOf = (pid: number) => {
    read.push(pid);
    return null;
  };
  const table = [info(50, { startTicks: 999 }), info(51, { kernelThread: true }), info(100), info(101)];
  membersOf([run], { ...world(table), markersOf });
  t.same(read, [101]);
});

t.test("runs are told apart in one pass", async (t) => {
  const other: RunIdentity = { runId: "r2", pid: 200, startTicks: 2000, sessionTrusted: true };
  const members = membersOf([run, other], world([info(100), info(200, { startTicks: 2000 })]));
  t.same(
    [...members].map(([id, list]) => [id, list.map(({ pid }) => pid)]),
    [
      ["r1", [100]],
      ["r2", [200]],
    ],
  );
  t.same([...membersOf([], world([info(100)]))], []);
});

t.test("no member is dead, older than its run, or neither in the session nor marked", async () => {
  const small = fc.integer({ min: 98, max: 104 });
  const process_ = fc.record({
    pid: small,
    group: small,
    session: small,
    startTicks: fc.integer({ min: 998, max: 1002 }),
    alive: fc.boolean(),
    kernelThread: fc.boolean(),
    waitStatus: fc.constant(0),
    cpuTicks: fc.constant(0),
    tasks: fc.constant(1),
    residentPages: fc.constant(0),
  });
  const markers = fc.record({
    owner: fc.constantFrom("us", "them"),
    agent: fc.constant("a"),
    runId: fc.constantFrom("r1", "r2"),
    digest: fc.constant("d"),
  });
  fc.assert(
    fc.property(
      fc.array(process_, { maxLength: 8 }),
      fc.dictionary(small.map(String), markers),
      fc.boolean(),
      (processes, marks, sessionTrusted) => {
        const here = world(processes, marks);
        for (const member of membersOf([{ ...run, sessionTrusted }], here).get("r1") ?? []) {
          const mark = here.markersOf(member.pid);
          const byMarkers = mark?.owner === "us" && mark.runId === "r1";
          const leader = here.table.get(100);
          const sessionIsOurs = sessionTrusted && (leader === undefined || leader.startTicks === 1000);
          const bySession = sessionIsOurs && member.session === 100;
          if (!member.alive || member.kernelThread || member.startTicks < 1000) return false;
          if (!byMarkers && !bySession) return false;
        }
        return true;
      },
    ),
    { numRuns: 2000 },
  );
});
