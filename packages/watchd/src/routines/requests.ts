import type { RoutineEngine, RoutineRound } from "./engine.ts";
import type { RoutineEvent } from "./events.ts";
import { dropInput, placeInput } from "./homes.ts";

/** What became of a request for a run. */
export interface Became {
  readonly run: string;
  readonly outcome: "accepted" | "skipped" | "dropped";
  /** Of what was not accepted. */
  readonly why: string | null;
}

/**
 * Asks for a run, with its input in place before. Resolves once it is durable what became of that; the run is not waited for.
 *
 * @throws Error where there is no such routine, and of the file system: then there is no run
 */
export async function requestRun(
  { stateDir, engine }: { readonly stateDir: string; readonly engine: RoutineEngine },
  event: Extract<RoutineEvent, { readonly type: "run-now" | "request" }>,
  input: Uint8Array | null,
): Promise<Became> {
  const { routine, request } = event;
  if (input !== null) await placeInput(stateDir, routine, request, input);
  const became = outcomeOf(await engine.ask(event), routine, request);
  if (input !== null && became?.outcome !== "accepted") await dropInput(stateDir, routine, request);
  // Between the question and the core's turn, a deploy has taken the routine away.
  if (became === null) throw new Error(`there is no routine ${routine} any more`);
  return became;
}

function outcomeOf({ records }: RoutineRound, routine: string, request: string): Became | null {
  const fired = records.find(
    ({ action, subject, details }) =>
      action === "routine.fired" && subject === routine && details.request === request,
  );
  if (fired?.run === undefined) return null;
  const end = records.find(
    ({ action, run }) => run === fired.run && (action === "routine.skipped" || action === "routine.dropped"),
  );
  if (end === undefined) return { run: fired.run, outcome: "accepted", why: null };
  const outcome = end.action === "routine.skipped" ? "skipped" : "dropped";
  return { run: fired.run, outcome, why: String(end.details.why) };
}
