import { faultsOfDetails } from "@daruma/ledger";
import fc from "fast-check";
import t from "tap";
import type { ExitCause } from "../ports.ts";
import { Random } from "../simulation/random.ts";
import { nextWakeIn, stepRoutines } from "./core.ts";
import type { RoutineEvent } from "./events.ts";
import { kept, Machine, patientPolicy } from "./fixtures/machine.ts";
import type { MissedPolicy, OverlapPolicy, RoutinePolicy } from "./policy.ts";
import { RoutineMap } from "./routine-map.ts";
import type { RoutineState, RoutinesState } from "./state.ts";
import { nextTime } from "./timetable.ts";

/*
 * Random routines on a random machine: runs that take long and fail, a clock that is set by up to two hours either way, a
 * watchd that is killed, reboots, pauses, deploys. What must hold, holds after every step.
 */
const minute = 60_000;
const hour = 60 * minute;

function randomPolicy(random: Random): RoutinePolicy {
  const overlap = random.pick<OverlapPolicy>([
    { kind: "skip" },
    { kind: "queue", limit: random.whole(1, 4) },
    { kind: "parallel", limit: random.whole(1, 3) },
    { kind: "replace" },
  ]);
  const missed = random.pick<MissedPolicy["run"]>(["skip", "one", "all"]);
  const expression = random.pick(["* * * * *", "*/5 * * * *", "3,17,40 * * * *", "30 2 * * *", "@every 7m"]);
  return {
    ...patientPolicy,
    schedules: [{ expression, timezone: random.pick(["UTC", "America/New_York", "Australia/Lord_Howe"]) }],
    events: random.chance(0.3) ? ["outside"] : [],
    missed: { run: missed, withinMs: random.whole(1, 180) * minute },
    overlap,
    jitterMs: random.pick([0, 0, 20_000, 10 * minute]),
    deadlineMs: random.pick([null, null, 3 * minute]),
    group: random.pick([null, null, "one"]),
    retries: random.whole(0, 2),
    timeoutMs: random.pick([null, 8 * minute]),
  };
}

const ends: readonly (readonly [number, ExitCause])[] = [
  [6, { kind: "exit", code: 0 }],
  [2, { kind: "exit", code: 1 }],
  [1, { kind: "signal", signal: "SIGKILL" }],
  [1, { kind: "exit", code: 78 }],
];

function limitOf({ overlap }: RoutinePolicy): number {
  return overlap.kind === "parallel" ? overlap.limit : 1;
}

/** What is wrong with a state, whatever led to it. */
function faultsOf(machine: Machine, policies: Readonly<Record<string, RoutinePolicy>>): string[] {
  const faults: string[] = [];
  const groups = new Map<string, number>();
  for (const [name, routine] of machine.state.routines) {
    const { runs, queue, nextAt } = routine;
    const policy = policies[name] ?? routine.policy;
    if (runs.length > limitOf(policy)) faults.push(`${name} has ${runs.length} runs at once`);
    if (policy.overlap.kind === "queue" && queue.length > policy.overlap.limit) faults.push(`${name}: queue`);
    if (routine.declared && nextAt === null) faults.push(`${name} is never due again`);
    if (routine.declared && nextAt !== null && nextAt <= machine.wall) faults.push(`${name} sticks`);
    if (policy.group !== null) groups.set(policy.group, (groups.get(policy.group) ?? 0) + runs.length);
  }
  for (const [group, runs] of groups) if (runs > 1) faults.push(`${runs} runs of the group ${group} at once`);
  return faults;
}

/** A step that looks only at what is concerned comes to the same as one that knows nothing of its state yet. */
function faultsOfLooking({ state, mono, wall }: Machine): string[] {
  const fresh = kept(state);
  return [0, 17 * minute, -4 * hour].flatMap((ahead) => {
    const now = { mono: mono + Math.max(0, ahead), wall: wall + ahead };
    const [one, other] = [state, fresh].map((each) => {
      const { state: after, ...rest } = stepRoutines(each, [{ type: "occurred", name: "outside" }], now);
      return JSON.stringify([rest, nextWakeIn(each, now), after.nextId, after.routines.toRecord()]);
    });
    return one === other ? [] : ["what was found out about routines does not fit them"];
  });
}

/** What is wrong with what was told, once nothing is under way any more. */
function faultsOfStory(machine: Machine, policies: Readonly<Record<string, RoutinePolicy>>): string[] {
  const faults: string[] = [];
  const fates = new Map<string, string[]>();
  const times = new Map<string, number>();
  for (const { action, subject, run = "", details } of machine.records) {
    for (const fault of faultsOfDetails(action, details) ?? ["is not in the vocabulary"]) {
      faults.push(`${action}: ${fault}`);
    }
    if (/fired|caught-up/.test(action)) {
      fates.set(run, []);
      if (details.trigger === "event") continue;
      const time = `${subject} at ${details.nominal}`;
      times.set(time, (times.get(time) ?? 0) + 1);
    }
    if (/skipped|dropped|finished/.test(action)) fates.get(run)?.push(action);
  }
  for (const [run, fate] of fates)
    if (fate.length !== 1) faults.push(`${run} came to ${fate.join() || "nothing"}`);
  for (const [time, count] of times) if (count !== 1) faults.push(`${time} was fired ${count} times`);
  for (const name of Object.keys(policies)) {
    const started = machine.records
      .filter(
        ({ action, subject, details }) => subject === name && /started/.test(action) && details.attempt === 1,
      )
      .map(({ run = "" }) => Number(run.split("-").at(-1)));
    // Jitter is shorter than the time to the next firing, but an event can overtake what it puts off.
    const ordered = policies[name]?.jitterMs === 0 && policies[name]?.overlap.kind !== "parallel";
    if (ordered && started.some((order, index) => index > 0 && order < (started[index - 1] ?? 0))) {
      faults.push(`${name} did not start in order`);
    }
  }
  return faults;
}

function isSettled({ state }: Machine): boolean {
  return state.routines.active().length === 0;
}

function live(seed: number, core = stepRoutines): string[] {
  const random = new Random(seed);
  const faults = new Set<string>();
  const start = random.pick(["2026-03-08T04:00:00Z", "2026-11-01T03:00:00Z", "2026-04-04T12:00:00Z"]);
  const machine = new Machine(
    start,
    () => ({ takesMs: random.delay(100, 20 * minute), cause: random.weighted(ends) }),
    random,
    core,
  );
  const policies = Object.fromEntries(
    Array.from({ length: random.whole(1, 4) }, (_, index) => [`r${index}`, randomPolicy(random)]),
  );
  machine.afterStep = () => {
    for (const fault of faultsOf(machine, policies)) faults.add(fault);
  };
  machine.declare(policies);
  const names = Object.keys(policies);
  for (let day = 0; day < 14; day += 1) {
    machine.pass(random.delay(1_000, hour));
    for (const fault of faultsOfLooking(machine)) faults.add(fault);
    const routine = random.pick(names);
    random.weighted<() => void>([
      [4, () => machine.tell({ type: "occurred", name: "outside" })],
      [2, () => machine.step(random.whole(-110, 110) * minute)],
      [2, () => machine.restartWatchd(random.delay(1_000, 10 * minute))],
      [1, () => machine.reboot(random.delay(minute, 5 * hour))],
      [1, () => machine.tell({ type: "pause", routine, by: "ada", why: "" })],
      [2, () => machine.tell({ type: "resume", routine, by: "ada" })],
      [1, () => machine.declare({ ...policies, [routine]: { ...policies[routine], digest: `d${day}` } })],
    ])();
  }
  for (const routine of names) machine.tell({ type: "pause", routine, by: "ada", why: "the end" });
  for (let wait = 0; wait < 40 && !isSettled(machine); wait += 1) {
    machine.pass(20 * minute);
  }
  if (!isSettled(machine)) faults.add("it does not come to rest");
  const before = machine.records.length;
  for (const routine of names) machine.tell({ type: "resume", routine, by: "ada" });
  machine.pass(4 * hour);
  for (const name of names) {
    const { expression } = policies[name]?.schedules[0] ?? { expression: "" };
    const again = machine.records
      .slice(before)
      .some(({ subject, action }) => subject === name && /fired/.test(action));
    if (!again && !expression.startsWith("30 2")) faults.add(`${name} is silent`);
  }
  for (const routine of names) machine.tell({ type: "pause", routine, by: "ada", why: "the end" });
  for (let wait = 0; wait < 40 && !isSettled(machine); wait += 1) {
    machine.pass(20 * minute);
  }
  return [...faults, ...faultsOfStory(machine, policies)];
}

t.test(
  "whatever happens, routines overlap as they may, each firing has one fate, and none falls silent",
  async () => {
    const seed = process.env.SEED === undefined ? undefined : Number(process.env.SEED);
    const runs = Number(process.env.RUNS ?? 40);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 31 }), (drawn) => {
        const faults = live(seed ?? drawn);
        if (faults.length > 0) throw new Error(`SEED=${seed ?? drawn}: ${faults.slice(0, 5).join("; ")}`);
      }),
      { numRuns: seed === undefined ? runs : 1, endOnFailure: true, seed: 1 },
    );
  },
);

function changed(
  state: RoutinesState,
  change: (routine: RoutineState, name: string) => RoutineState,
): RoutinesState {
  const routines = [...state.routines].map(([name, each]) => [name, change(each, name)]);
  return { ...state, routines: RoutineMap.of(Object.fromEntries(routines)) };
}

/** Cores that are wrong in ways in which schedulers have been wrong. */
const broken: Readonly<Record<string, typeof stepRoutines>> = {
  "a queue that runs all at once": (state, events, now) => {
    const told = events.map((event): RoutineEvent => {
      if (event.type !== "routines") return event;
      const policies = Object.entries(event.policies).map(([name, policy]) => {
        const overlap: OverlapPolicy =
          policy.overlap.kind === "queue" ? { kind: "parallel", limit: 9 } : policy.overlap;
        return [name, { ...policy, overlap }];
      });
      return { type: "routines", policies: Object.fromEntries(policies) };
    });
    return stepRoutines(state, told, now);
  },
  "a skipped time after which none is due": (state, events, now) => {
    const taken = stepRoutines(state, events, now);
    const skipped = taken.records.find(({ action }) => action === "routine.skipped")?.subject ?? "";
    const routine = taken.state.routines.get(skipped);
    if (routine === undefined) return taken;
    const routines = taken.state.routines.with(skipped, { ...routine, nextAt: null });
    return { ...taken, state: { ...taken.state, routines } };
  },
  "a queue that forgets its last": (state, events, now) => {
    const taken = stepRoutines(state, events, now);
    return { ...taken, state: changed(taken.state, (each) => ({ ...each, queue: each.queue.slice(0, 1) })) };
  },
  "a step back that runs times again": (state, events, now) => {
    const back = changed(state, (routine, name) => {
      if (routine.decidedUpTo <= now.wall) return routine;
      const nextAt = nextTime(name, routine.policy.schedules, now.wall);
      return { ...routine, decidedUpTo: now.wall, nextAt, spans: [] };
    });
    return stepRoutines(back, events, now);
  },
};

t.test("and what looks at it sees cores that are wrong", async (t) => {
  for (const [what, core] of Object.entries(broken)) {
    const seen = Array.from({ length: 40 }, (_, seed) => seed).some((seed) => live(seed, core).length > 0);
    t.ok(seen, what);
  }
});
