import { isDeepStrictEqual } from "node:util";
import { drop, fire } from "./admission.ts";
import type { RoutineEvent } from "./events.ts";
import type { RoutinePolicy } from "./policy.ts";
import { askStart, failAttempt, onExited, onStarted } from "./runs.ts";
import type { RoutineState } from "./state.ts";
import { nextTime } from "./timetable.ts";
import { note, patch, patchRoutine, patchRun, routineOf, type Turn } from "./turn.ts";

/** watchd has come up. After a reboot nothing of what ran is left, and no monotonic instant means anything any more. */
export function onBoot(turn: Turn, bootId: string): void {
  const before = turn.state.bootId;
  patch(turn, { bootId, surveyed: false });
  if (before === bootId) return;
  for (const [name] of turn.state.routines) {
    forgetMonotonic(turn, name);
    const routine = routineOf(turn, name);
    for (const run of routine?.runs ?? []) {
      if (run.phase === "backoff") continue;
      if (run.phase === "starting" && run.stopFor === null) continue;
      failAttempt(turn, name, run.firing.id, "reboot", {});
    }
  }
  for (const [name, { declared, policy }] of turn.state.routines) {
    if (declared && policy.atBoot) fire(turn, name, "boot", turn.now.wall);
  }
}

function forgetMonotonic(turn: Turn, name: string): void {
  const routine = routineOf(turn, name);
  if (routine === undefined || (routine.delayed.length === 0 && routine.runs.length === 0)) return;
  const { mono, wall } = turn.now;
  patchRoutine(turn, name, {
    delayed: routine.delayed.map((each) => ({
      ...each,
      untilMono: mono + Math.max(0, each.until - wall),
    })),
    // A retry that was waited for is due at once: the machine was off for at least some of the delay.
    runs: routine.runs.map((run) => ({
      ...run,
      askedAt: mono,
      startedAt: null,
      retryAt: run.phase === "backoff" ? mono : null,
    })),
  });
}

/** What the current generation declares. Runs of a routine that it has no more go on; nothing else of it does. */
export function onRoutines(turn: Turn, policies: Readonly<Record<string, RoutinePolicy>>): void {
  const before = turn.state.routines;
  const declared = Object.entries(policies).map(
    ([name, policy]) => [name, declare(before.get(name), name, policy, turn.now.wall)] as const,
  );
  patch(turn, { routines: before.withAll(declared) });
  for (const [name, { policy }] of declared) {
    if (policy.atBoot && before.get(name) === undefined) fire(turn, name, "boot", turn.now.wall);
  }
  for (const [name, routine] of turn.state.routines) {
    if (Object.hasOwn(policies, name) || !routine.declared) continue;
    const waiting = [...routine.delayed.map(({ firing }) => firing), ...routine.queue];
    patchRoutine(turn, name, { declared: false, delayed: [], queue: [] });
    for (const firing of waiting) drop(turn, name, firing, "removed");
  }
}

/** Times before a routine was declared, or before its schedule was changed, were never its own. */
function declare(
  known: RoutineState | undefined,
  name: string,
  policy: RoutinePolicy,
  wall: number,
): RoutineState {
  const same = JSON.stringify(known?.policy.schedules) === JSON.stringify(policy.schedules);
  if (known !== undefined && same && known.declared) {
    // A watchd that comes back is told what it knew: nothing has changed, and nothing has to be written down.
    return isDeepStrictEqual(known.policy, policy) ? known : { ...known, policy };
  }
  const decidedUpTo = Math.max(known?.decidedUpTo ?? wall, wall);
  return {
    pause: null,
    delayed: [],
    queue: [],
    runs: [],
    last: null,
    results: [],
    ...known,
    policy,
    declared: true,
    decidedUpTo,
    nextAt: nextTime(name, policy.schedules, decidedUpTo),
    spans: [{ from: decidedUpTo, to: decidedUpTo }],
  };
}

/**
 * What runs, as listed. What is not in the list has ended, if it was there when the list was begun. A start that an earlier
 * watchd asked for and that never came about is asked for again: it has used up no attempt.
 */
export function onSurvey(turn: Turn, event: Extract<RoutineEvent, { type: "runs" }>): void {
  const first = !turn.state.surveyed;
  patch(turn, { surveyed: true });
  const alive = new Set(event.runs.map(({ routine, run }) => `${routine} ${run}`));
  for (const [name, { runs }] of turn.state.routines.active()) {
    for (const run of runs) {
      const { id } = run.firing;
      const isAlive = alive.has(`${name} ${id}`);
      if (run.phase === "starting" && isAlive) onStarted(turn, name, id);
      else if (run.phase === "starting" && first) startAgain(turn, name, id);
      else if (isAlive || run.phase === "starting" || run.askedAt >= event.takenAt) continue;
      else if (run.phase !== "backoff") onExited(turn, name, id, { kind: "unknown" });
    }
  }
  for (const { routine, run } of event.runs) {
    const known = routineOf(turn, routine)?.runs.some(({ firing }) => firing.id === run);
    if (known === true) continue;
    // Nobody knows what it is for. To let it go on could mean two at once.
    note(turn, routine, "stray", {}, { run, severity: "warning" });
    turn.commands.push({ type: "stop", routine, run });
  }
}

function startAgain(turn: Turn, name: string, id: string): void {
  const run = routineOf(turn, name)?.runs.find(({ firing }) => firing.id === id);
  if (run === undefined) return;
  if (run.stopFor !== null) return failAttempt(turn, name, id, "unknown", {});
  patchRun(turn, name, id, { askedAt: turn.now.mono });
  askStart(turn, name, run);
}
