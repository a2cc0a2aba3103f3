import type { RunName } from "./services.ts";
import type { RoutinesState, RunState } from "./state.ts";

/** A run that is not over, or undefined. */
export function runOf(state: RoutinesState, { routine, run }: RunName): RunState | undefined {
  const known = state.routines.get(routine);
  return known?.runs.find(({ firing }) => firing.id === run);
}
