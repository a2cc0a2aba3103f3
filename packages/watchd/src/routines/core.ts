/**
 * The judgement of the routines: a pure function of what was, what happened and when. It does no I/O, sets no timer, and
 * what it draws depends on names and times alone. See docs/concepts/routines.md.
 */
import type { Instant } from "../ports.ts";
import { admitDelayed, drop, fire, startWaiting } from "./admission.ts";
import type { Occurred, RoutineEvent, RoutineStep } from "./events.ts";
import {
  onExited,
  onResult,
  onStarted,
  onStartFailed,
  onStopFailed,
  runTimer,
  runTimers,
  stopRun,
} from "./runs.ts";
import type { Firing, RoutinesState } from "./state.ts";
import { onBoot, onRoutines, onSurvey } from "./survey.ts";
import { correctionMs, decideTimes } from "./times.ts";
import { note, patch, patchRoutine, routineOf, setRoutine, type Turn } from "./turn.ts";

/** @param events what has gathered since the last step: a thousand ends of runs at once cost one look at everything */
export function stepRoutines(
  state: RoutinesState,
  events: readonly RoutineEvent[],
  now: Instant,
): RoutineStep {
  const turn: Turn = { state, now, commands: [], records: [], occurred: [] };
  for (const event of events) apply(turn, event);
  // Most routines of a large host have nothing to do in most steps.
  for (const name of turn.state.routines.timely(now.wall, now.wall + correctionMs)) {
    runTimers(turn, name);
    decideTimes(turn, name);
    admitDelayed(turn, name);
  }
  // Each run that ends is one event, and a routine that it fires does not end within the step.
  onOccurred(turn, turn.occurred.splice(0));
  startWaiting(turn);
  forgetRemoved(turn);
  return { state: turn.state, commands: turn.commands, records: turn.records };
}

function apply(turn: Turn, event: RoutineEvent): void {
  switch (event.type) {
    case "boot":
      return onBoot(turn, event.bootId);
    case "routines":
      return onRoutines(turn, event.policies);
    case "runs":
      return onSurvey(turn, event);
    case "occurred":
      turn.occurred.push({ name: event.name, cause: event.cause ?? event.name });
      return;
    case "entries":
      patch(turn, { ledgerSeq: event.upTo });
      turn.occurred.push(...event.found);
      return;
    case "request": {
      const { cause, request } = event;
      return fire(turn, event.routine, "event", turn.now.wall, { cause, request });
    }
    case "run-now":
      return fire(turn, event.routine, "person", turn.now.wall, { cause: event.by, request: event.request });
    case "pause":
      return onPause(turn, event.routine, event.by, event.why);
    case "resume":
      return onResume(turn, event.routine, event.by);
    case "stop":
      return onStop(turn, event.routine, event.run, event.by);
    case "started":
      return onStarted(turn, event.routine, event.run);
    case "start-failed":
      return onStartFailed(turn, event.routine, event.run, event.code, event.message);
    case "exited":
      return onExited(turn, event.routine, event.run, event.cause, event.attempt ?? null);
    case "stop-failed":
      return onStopFailed(turn, event.routine, event.run, event.message);
    case "result":
      return onResult(turn, event.routine, event.run, event.counts);
    case "tick":
      return;
  }
}

function onOccurred(turn: Turn, events: readonly Occurred[]): void {
  for (const event of events) {
    for (const name of turn.state.routines.listeners(event.name)) {
      fire(turn, name, "event", turn.now.wall, { cause: event.cause, request: null });
    }
  }
}

/** What runs goes on, and what waits is let in; nothing new is fired but by a person. */
function onPause(turn: Turn, name: string, by: string, why: string): void {
  if (routineOf(turn, name) === undefined) return;
  // What came before is fired as ever.
  decideTimes(turn, name);
  patchRoutine(turn, name, { pause: { by, why, since: turn.now.wall } });
  note(turn, name, "paused", { by, why });
}

function onResume(turn: Turn, name: string, by: string): void {
  const pause = routineOf(turn, name)?.pause ?? null;
  if (pause === null) return;
  // What came while it was paused is decided on as that, before it goes on.
  decideTimes(turn, name);
  patchRoutine(turn, name, { pause: null });
  note(turn, name, "resumed", { by, pausedBy: pause.by, pausedMs: Math.max(0, turn.now.wall - pause.since) });
}

function onStop(turn: Turn, name: string, wanted: string | null, by: string): void {
  const routine = routineOf(turn, name);
  if (routine === undefined) return;
  const isWanted = ({ id }: Firing) => wanted === null || id === wanted;
  const waiting = [...routine.delayed.map(({ firing }) => firing), ...routine.queue].filter(isWanted);
  const runs = routine.runs.map(({ firing }) => firing).filter(isWanted);
  for (const { id } of [...runs, ...waiting]) note(turn, name, "stop-request", { by }, { run: id });
  patchRoutine(turn, name, {
    delayed: routine.delayed.filter(({ firing }) => !waiting.includes(firing)),
    queue: routine.queue.filter((firing) => !waiting.includes(firing)),
  });
  for (const firing of waiting) drop(turn, name, firing, "stopped");
  for (const { id } of runs) stopRun(turn, name, id, "person");
}

function forgetRemoved(turn: Turn): void {
  for (const [name, { declared, runs }] of turn.state.routines.active()) {
    if (!declared && runs.length === 0) setRoutine(turn, name, null);
  }
}

/**
 * How many ms from `now` on nothing happens without an event, so that a `tick` is wanted then. Null: nothing ever. Whoever
 * sleeps by it should not sleep longer than a minute, since the wall clock may be stepped meanwhile.
 */
export function nextWakeIn(state: RoutinesState, now: Instant): number | null {
  let least: number | null = null;
  const wants = (delay: number) => {
    if (least === null || delay < least) least = Math.max(0, delay);
  };
  const nextAt = state.routines.nextAt();
  if (nextAt !== null) wants(nextAt - now.wall);
  for (const [, routine] of state.routines.active()) {
    for (const { untilMono } of routine.delayed) wants(untilMono - now.mono);
    for (const { deadline } of routine.queue) if (deadline !== null) wants(deadline + 1 - now.wall);
    for (const run of routine.runs) {
      const waitsForSurvey = run.phase === "backoff" && !state.surveyed;
      const at = waitsForSurvey ? null : runTimer(run, routine.policy.timeoutMs);
      if (at !== null) wants(at - now.mono);
    }
  }
  return least;
}
