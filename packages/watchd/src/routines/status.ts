import type { RoutineManifest } from "@daruma/config";
import type { Instant } from "../ports.ts";
import { runHome, runsWithFiles } from "./homes.ts";
import type { RoutinesView } from "./runtime.ts";
import type { Firing, RoutineState, RunState } from "./state.ts";
import { nextTime } from "./timetable.ts";

export interface RoutineView {
  readonly name: string;
  readonly manifest: RoutineManifest;
  readonly routine: RoutineState | undefined;
  readonly now: Instant;
}

/** How many of the next times `show` tells. */
const shownTimes = 5;

/** A routine in what `GET /v1/routines` answers. */
export function routineStatus({ name, manifest, routine, now }: RoutineView): object {
  const { runs = [], queue = [], delayed = [], pause = null, last = null, nextAt = null } = routine ?? {};
  return {
    name,
    schedule: manifest.schedule?.expression ?? null,
    timezone: manifest.schedule?.timezone ?? null,
    next: nextAt === null ? null : timeOf(nextAt),
    paused: pause === null ? null : { by: pause.by, why: pause.why, since: timeOf(pause.since) },
    runs: runs.map((run) => runStatus(run, now)),
    waiting: [...queue.map(firingStatus), ...delayed.map(({ firing }) => firingStatus(firing))],
    last: last === null ? null : { run: last.run, outcome: last.outcome, at: timeOf(last.at) },
  };
}

/** What `GET /v1/routine` answers: all of the above, what the routine is, and where its runs have their files. */
export function routineDetails(
  view: RoutineView,
  { stateDir, journalOf }: Pick<RoutinesView, "stateDir" | "journalOf">,
): object {
  const { name, manifest, routine } = view;
  return {
    ...routineStatus(view),
    times: timesOf(name, routine).map(timeOf),
    manifest,
    files: runsWithFiles(stateDir, name).map((run) => ({
      run,
      directory: runHome(stateDir, name, run),
      unit: journalOf({ routine: name, run }),
    })),
  };
}

function timesOf(name: string, routine: RoutineState | undefined): readonly number[] {
  const times: number[] = [];
  if (routine === undefined) return times;
  let at: number | null = routine.decidedUpTo;
  while (times.length < shownTimes) {
    at = nextTime(name, routine.policy.schedules, at);
    if (at === null) break;
    times.push(at);
  }
  return times;
}

function runStatus(
  { firing, phase, attempt, began, startedAt, retryAt, result }: RunState,
  now: Instant,
): object {
  return {
    ...firingStatus(firing),
    phase,
    attempt,
    began: timeOf(began),
    result,
    runningMs: startedAt === null ? null : Math.max(0, Math.round(now.mono - startedAt)),
    retryInMs: phase === "backoff" && retryAt !== null ? Math.max(0, Math.round(retryAt - now.mono)) : null,
  };
}

function firingStatus({ id, trigger, cause, nominal }: Firing): object {
  return { run: id, trigger, cause, nominal: timeOf(nominal) };
}

function timeOf(wall: number): string {
  return new Date(wall).toISOString();
}
