import { beginAttempt, stopRun } from "./runs.ts";
import type { Firing, Origin, RoutineState, TriggerKind } from "./state.ts";
import { nextTime } from "./timetable.ts";
import { drawFrom, makeFiring, noteFiring, patchRoutine, routineOf, type Turn } from "./turn.ts";

/*
 * From a firing to a run: paused, put off by its jitter, skipped, queued, dropped or started. Each firing ends in exactly
 * one of skipped, dropped and started.
 */

/** Something fires the routine. Schedules and events do not fire a paused one; a person does. */
export function fire(
  turn: Turn,
  name: string,
  trigger: TriggerKind,
  nominal: number,
  origin: Origin = { cause: null, request: null },
): void {
  const routine = routineOf(turn, name);
  if (routine === undefined || !routine.declared) return;
  const firing = makeFiring(turn, name, trigger, nominal, origin);
  const { cause, request } = origin;
  noteFiring(turn, name, trigger === "catch-up" ? "caught-up" : "fired", firing, {
    ...(cause === null ? {} : { cause }),
    ...(request === null ? {} : { request }),
  });
  if (routine.pause !== null && trigger !== "person") return skip(turn, name, firing, "paused");
  const delayMs = trigger === "schedule" ? jitterOf(name, routine, nominal) : 0;
  const until = nominal + delayMs;
  if (delayMs === 0 || until <= turn.now.wall) return admit(turn, name, firing);
  const untilMono = turn.now.mono + until - turn.now.wall;
  patchRoutine(turn, name, { delayed: [...routine.delayed, { firing, until, untilMono }] });
}

/** Never as long as to the next time: jitter changes no order. */
function jitterOf(name: string, { policy }: RoutineState, nominal: number): number {
  if (policy.jitterMs === 0) return 0;
  const next = nextTime(name, policy.schedules, nominal);
  const most = next === null ? policy.jitterMs : Math.min(policy.jitterMs, next - nominal);
  return Math.floor(drawFrom("jitter", name, nominal) * most);
}

/** Lets in what has waited for its jitter. */
export function admitDelayed(turn: Turn, name: string): void {
  const routine = routineOf(turn, name);
  if (routine === undefined || routine.delayed.length === 0) return;
  const due = routine.delayed.filter(({ untilMono }) => untilMono <= turn.now.mono);
  if (due.length === 0) return;
  patchRoutine(turn, name, { delayed: routine.delayed.filter((each) => !due.includes(each)) });
  for (const { firing } of due) admit(turn, name, firing);
}

function admit(turn: Turn, name: string, firing: Firing): void {
  const routine = routineOf(turn, name);
  if (routine === undefined) return;
  const { overlap } = routine.policy;
  const busy = routine.runs.length + routine.queue.length;
  if (busy === 0) return enqueue(turn, name, firing);
  switch (overlap.kind) {
    case "skip":
      return skip(turn, name, firing, "overlap");
    case "parallel":
      return busy < overlap.limit ? enqueue(turn, name, firing) : skip(turn, name, firing, "overlap");
    case "queue":
      // Where nothing runs (a group is taken, or a start is about to come), the first that waits is not one too many.
      if (routine.queue.length < overlap.limit) return enqueue(turn, name, firing);
      return drop(turn, name, firing, "queue-full");
    case "replace":
      for (const waiting of routine.queue) drop(turn, name, waiting, "replaced");
      patchRoutine(turn, name, { queue: [] });
      for (const run of routine.runs) stopRun(turn, name, run.firing.id, "replaced");
      return enqueue(turn, name, firing);
  }
}

function enqueue(turn: Turn, name: string, firing: Firing): void {
  const queue = routineOf(turn, name)?.queue ?? [];
  patchRoutine(turn, name, { queue: [...queue, firing] });
}

/** Starts whatever may start, in the order in which it fired; drops what has waited past its deadline. */
export function startWaiting(turn: Turn): void {
  const active = turn.state.routines.active();
  const names = active.filter(([, { queue }]) => queue.length > 0).map(([name]) => name);
  for (const name of names) dropLate(turn, name);
  if (!turn.state.surveyed || names.length === 0) return;
  const waiting = names
    .flatMap((name) => (routineOf(turn, name)?.queue ?? []).map((firing) => ({ name, firing })))
    .sort((a, b) => a.firing.order - b.firing.order);
  const taken = takenGroups(turn);
  for (const { name, firing } of waiting) {
    const routine = routineOf(turn, name);
    if (routine === undefined) continue;
    const { group } = routine.policy;
    const blocked = !hasPlace(routine) || routine.queue[0]?.id !== firing.id;
    if (blocked || (group !== null && taken.has(group))) {
      tellWaiting(turn, name, firing, blocked ? "overlap" : "group");
      continue;
    }
    if (group !== null) taken.add(group);
    patchRoutine(turn, name, { queue: routine.queue.slice(1) });
    beginAttempt(turn, name, firing, 1);
  }
}

function hasPlace({ policy, runs }: RoutineState): boolean {
  return runs.length < (policy.overlap.kind === "parallel" ? policy.overlap.limit : 1);
}

function takenGroups(turn: Turn): Set<string> {
  const taken = new Set<string>();
  for (const [, { policy, runs }] of turn.state.routines.active()) {
    if (policy.group !== null && runs.length > 0) taken.add(policy.group);
  }
  return taken;
}

/** Told once. */
function tellWaiting(turn: Turn, name: string, firing: Firing, waitsFor: "group" | "overlap"): void {
  if (firing.told) return;
  noteFiring(turn, name, "queued", firing, { waitsFor });
  const queue = routineOf(turn, name)?.queue ?? [];
  patchRoutine(turn, name, {
    queue: queue.map((each) => (each.id === firing.id ? { ...each, told: true } : each)),
  });
}

function dropLate(turn: Turn, name: string): void {
  const queue = routineOf(turn, name)?.queue ?? [];
  const late = queue.filter(({ deadline }) => deadline !== null && deadline < turn.now.wall);
  if (late.length === 0) return;
  patchRoutine(turn, name, { queue: queue.filter((firing) => !late.includes(firing)) });
  for (const firing of late) drop(turn, name, firing, "deadline");
}

function skip(turn: Turn, name: string, firing: Firing, why: string): void {
  noteFiring(turn, name, "skipped", firing, { why });
}

export function drop(turn: Turn, name: string, firing: Firing, why: string): void {
  noteFiring(turn, name, "dropped", firing, { why }, "warning");
}
