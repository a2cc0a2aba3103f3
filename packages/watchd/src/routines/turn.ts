import { createHash } from "node:crypto";
import type { JsonValue } from "@daruma/base";
import type { LedgerRecord, Severity } from "../policy/events.ts";
import type { Instant } from "../ports.ts";
import type { Occurred, RoutineCommand } from "./events.ts";
import type { Firing, Origin, RoutineState, RoutinesState, RunState, TriggerKind } from "./state.ts";

/** One step while it is being taken: a state that is replaced, never changed in place, and what has come of it so far. */
export interface Turn {
  state: RoutinesState;
  readonly now: Instant;
  readonly commands: RoutineCommand[];
  readonly records: LedgerRecord[];
  /** Events that routines may wait for, in this step: told, and brought about by ends of runs. */
  readonly occurred: Occurred[];
}

export function routineOf(turn: Turn, name: string): RoutineState | undefined {
  return turn.state.routines.get(name);
}

export function patch(turn: Turn, change: Partial<RoutinesState>): void {
  turn.state = { ...turn.state, ...change };
}

export function patchRoutine(turn: Turn, name: string, change: Partial<RoutineState>): void {
  const routine = routineOf(turn, name);
  if (routine === undefined) throw new Error(`the core has no routine ${name}`);
  setRoutine(turn, name, { ...routine, ...change });
}

export function setRoutine(turn: Turn, name: string, routine: RoutineState | null): void {
  patch(turn, { routines: turn.state.routines.with(name, routine) });
}

export function patchRun(turn: Turn, name: string, id: string, change: Partial<RunState>): void {
  const runs = routineOf(turn, name)?.runs ?? [];
  patchRoutine(turn, name, {
    runs: runs.map((run) => (run.firing.id === id ? { ...run, ...change } : run)),
  });
}

export function runOf(turn: Turn, name: string, id: string): RunState | undefined {
  return routineOf(turn, name)?.runs.find((run) => run.firing.id === id);
}

export function makeFiring(
  turn: Turn,
  name: string,
  trigger: TriggerKind,
  nominal: number,
  origin: Origin,
): Firing {
  const order = turn.state.nextId;
  patch(turn, { nextId: order + 1 });
  const deadlineMs = routineOf(turn, name)?.policy.deadlineMs ?? null;
  // A run that is caught up is late by definition: it may start as late after it was decided on.
  const from = trigger === "catch-up" ? turn.now.wall : nominal;
  return {
    id: `run-${turn.state.epoch}-${order}`,
    order,
    trigger,
    ...origin,
    nominal,
    deadline: deadlineMs === null ? null : from + deadlineMs,
    told: false,
  };
}

/** An entry about a routine. */
export function note(
  turn: Turn,
  name: string,
  action: string,
  details: Readonly<Record<string, JsonValue>>,
  more: { readonly run?: string; readonly severity?: Severity } = {},
): void {
  turn.records.push({
    action: `routine.${action}`,
    subject: name,
    ...(more.run === undefined ? {} : { run: more.run }),
    at: turn.now.wall,
    severity: more.severity ?? "info",
    details,
  });
}

/** An entry about a firing: every decision has the time that it is for, and `at`, the time at which it was taken. */
export function noteFiring(
  turn: Turn,
  name: string,
  action: string,
  firing: Firing,
  details: Readonly<Record<string, JsonValue>> = {},
  severity: Severity = "info",
): void {
  const nominal = new Date(firing.nominal).toISOString();
  note(turn, name, action, { trigger: firing.trigger, nominal, ...details }, { run: firing.id, severity });
}

/** Uniform in [0, 1), and always the same for the same words: no two watchds draw different jitter for one time. */
export function drawFrom(...words: readonly (string | number)[]): number {
  const digest = createHash("sha256").update(JSON.stringify(words)).digest();
  return digest.readUInt32BE(0) / 2 ** 32;
}
