import type { Clock } from "../ports.ts";
import { type LoopOptions, type Round, WriteAheadLoop } from "../supervisor/write-ahead.ts";
import { nextWakeIn, stepRoutines } from "./core.ts";
import { encodeDelta, encodeRoutines, routinesDelta } from "./durable.ts";
import type { RoutineCommand, RoutineEvent } from "./events.ts";
import type { RoutinesState } from "./state.ts";

export type RoutineRound = Round<RoutinesState, RoutineCommand>;
export type RoutineEngine = WriteAheadLoop<RoutinesState, RoutineEvent, RoutineCommand>;

export interface RoutineEngineOptions
  extends Omit<LoopOptions<RoutinesState, RoutineEvent, RoutineCommand, RoutineRound>, "core"> {
  readonly clock: Clock;
}

/** The judgement of the routines, as it is driven. */
export function createRoutineEngine({ clock, ...options }: RoutineEngineOptions): RoutineEngine {
  return new WriteAheadLoop<RoutinesState, RoutineEvent, RoutineCommand>({
    ...options,
    core: {
      judge: (state, events) => stepRoutines(state, events, clock.now()),
      weighs: ({ state }, durable) => state !== durable,
      wakeIn: (state) => nextWakeIn(state, clock.now()),
      tick: { type: "tick" },
      delta: (durable, { state }, mark) => encodeDelta(routinesDelta(durable, state, mark)),
      snapshot: (state, entries) => encodeRoutines({ schemaVersion: 1, state, ...entries }),
    },
  });
}
