import type { JsonValue } from "@daruma/base";
import { backoffDelay } from "../policy/backoff.ts";
import type { ExitCause } from "../ports.ts";
import { eventOf } from "./policy.ts";
import { anomaliesOf, type Counts, mostResults } from "./results.ts";
import type { Firing, Outcome, RunState, StopReason } from "./state.ts";
import { drawFrom, noteFiring, patchRoutine, patchRun, routineOf, runOf, type Turn } from "./turn.ts";

/** EX_CONFIG (sysexits.h): trying again cannot help. */
const configurationError = 78;

/** Time after which a stop that could not be carried out is asked for again. */
const stopAgainMs = 5_000;

/** Starts a run, or starts it again. */
export function beginAttempt(turn: Turn, name: string, firing: Firing, attempt: number): void {
  const routine = routineOf(turn, name);
  if (routine === undefined) return;
  const known = routine.runs.find((run) => run.firing.id === firing.id);
  const run: RunState = {
    firing,
    phase: "starting",
    attempt,
    askedAt: turn.now.mono,
    began: known?.began ?? turn.now.wall,
    startedAt: null,
    stopFor: null,
    result: known?.result ?? null,
    retryAt: null,
  };
  const others = routine.runs.filter((each) => each !== known);
  patchRoutine(turn, name, { runs: [...others, run] });
  askStart(turn, name, run);
}

export function askStart(turn: Turn, name: string, { firing, attempt }: RunState): void {
  const digest = routineOf(turn, name)?.policy.digest ?? "";
  const { id, nominal } = firing;
  turn.commands.push({ type: "start", routine: name, run: id, attempt, digest, nominal });
}

export function onStarted(turn: Turn, name: string, id: string): void {
  const run = runOf(turn, name, id);
  if (run?.phase !== "starting") return;
  patchRun(turn, name, id, { phase: "running", startedAt: turn.now.mono });
  const latenessMs = Math.max(0, turn.now.wall - run.firing.nominal);
  noteFiring(turn, name, "started", run.firing, { attempt: run.attempt, latenessMs });
  if (run.stopFor !== null) askStop(turn, name, id);
}

export function onResult(turn: Turn, name: string, id: string, counts: Counts): void {
  const run = runOf(turn, name, id);
  if (run !== undefined) patchRun(turn, name, id, { result: { ...run.result, ...counts } });
}

export function onStartFailed(turn: Turn, name: string, id: string, code: string, message: string): void {
  if (runOf(turn, name, id)?.phase !== "starting") return;
  failAttempt(turn, name, id, "start-failed", { code, message });
}

/** @param attempt which has ended; null: whichever is there */
export function onExited(
  turn: Turn,
  name: string,
  id: string,
  cause: ExitCause,
  attempt: number | null = null,
): void {
  const run = runOf(turn, name, id);
  if (run === undefined || run.phase === "backoff" || run.attempt !== (attempt ?? run.attempt)) return;
  const exit = { ...cause };
  if (run.stopFor === "replaced") return finish(turn, name, id, "replaced", { exit });
  if (run.stopFor === "person" || cause.kind === "stopped")
    return finish(turn, name, id, "stopped", { exit });
  if (run.stopFor === "timeout") return failAttempt(turn, name, id, "timeout", { exit });
  if (cause.kind === "exit" && cause.code === 0) return finish(turn, name, id, "succeeded", { exit });
  failAttempt(turn, name, id, cause.kind === "unknown" ? "unknown" : "crash", { exit });
}

/** An attempt has failed: the run is started again, or it has failed as a whole. */
export function failAttempt(
  turn: Turn,
  name: string,
  id: string,
  cause: string,
  details: Readonly<Record<string, JsonValue>>,
): void {
  const routine = routineOf(turn, name);
  const run = runOf(turn, name, id);
  if (routine === undefined || run === undefined) return;
  const told = { cause, attempt: run.attempt, ...details };
  if (run.stopFor === "replaced") return finish(turn, name, id, "replaced", told);
  if (run.stopFor === "person") return finish(turn, name, id, "stopped", told);
  const hopeless = isConfigurationError(details.exit);
  if (hopeless || !routine.declared || run.attempt > routine.policy.retries) {
    const why = hopeless ? "configuration" : routine.declared ? "retries-spent" : "removed";
    return finish(turn, name, id, "failed", { ...told, why });
  }
  const delayMs = backoffDelay(routine.policy.backoff, run.attempt, drawFrom("retry", id, run.attempt));
  patchRun(turn, name, id, {
    phase: "backoff",
    startedAt: null,
    stopFor: null,
    retryAt: turn.now.mono + delayMs,
  });
  noteFiring(turn, name, "retried", run.firing, { ...told, delayMs }, "warning");
}

function isConfigurationError(exit: JsonValue | undefined): boolean {
  return typeof exit === "object" && exit !== null && "code" in exit && exit.code === configurationError;
}

function finish(
  turn: Turn,
  name: string,
  id: string,
  outcome: Outcome,
  details: Readonly<Record<string, JsonValue>>,
): void {
  const run = runOf(turn, name, id);
  if (run === undefined) return;
  const runs = (routineOf(turn, name)?.runs ?? []).filter((each) => each !== run);
  patchRoutine(turn, name, { runs, last: { run: id, outcome, at: turn.now.wall } });
  const tookMs = Math.max(0, turn.now.wall - run.began);
  noteFiring(
    turn,
    name,
    "finished",
    run.firing,
    {
      outcome,
      attempts: run.attempt,
      tookMs,
      ...(run.result === null ? {} : { result: run.result }),
      ...details,
    },
    outcome === "failed" ? "critical" : "info",
  );
  if (outcome === "succeeded") judgeResult(turn, name, run);
  if (outcome === "succeeded" || outcome === "failed") {
    const event = eventOf(name, outcome);
    turn.occurred.push({ name: event, cause: event });
  }
}

function judgeResult(turn: Turn, name: string, { firing, result }: RunState): void {
  const routine = routineOf(turn, name);
  if (routine === undefined) return;
  for (const { count, value, why, bound } of anomaliesOf(routine.policy.expect, result, routine.results)) {
    noteFiring(turn, name, "anomaly", firing, { count, value, why, bound }, "critical");
  }
  // What is unlike the others is remembered, too: where it stays so, it becomes the usual.
  if (result !== null)
    patchRoutine(turn, name, { results: [...routine.results, result].slice(-mostResults) });
}

/** A run is to end, and not to be tried again (unless for its time limit). One that does not run ends here. */
export function stopRun(turn: Turn, name: string, id: string, reason: StopReason): void {
  const run = runOf(turn, name, id);
  if (run === undefined) return;
  if (run.phase === "backoff") {
    finish(turn, name, id, reason === "replaced" ? "replaced" : "stopped", {});
    return;
  }
  // What is about to be ended for one reason may turn out to be unwanted for another; a time limit is the weakest.
  const stopFor = run.stopFor === null || run.stopFor === "timeout" ? reason : run.stopFor;
  patchRun(turn, name, id, { stopFor });
  if (run.phase === "running") askStop(turn, name, id);
}

function askStop(turn: Turn, name: string, id: string): void {
  patchRun(turn, name, id, { phase: "stopping", retryAt: null });
  turn.commands.push({ type: "stop", routine: name, run: id });
}

export function onStopFailed(turn: Turn, name: string, id: string, message: string): void {
  const run = runOf(turn, name, id);
  if (run?.phase !== "stopping") return;
  if (run.retryAt === null) noteFiring(turn, name, "stop-failed", run.firing, { message }, "critical");
  patchRun(turn, name, id, { retryAt: turn.now.mono + stopAgainMs });
}

/** Does what is due for runs by the clock: time limits, retries, stops that have to be asked for again. */
export function runTimers(turn: Turn, name: string): void {
  const routine = routineOf(turn, name);
  if (routine === undefined || routine.runs.length === 0) return;
  for (const run of routine.runs) {
    const at = runTimer(run, routine.policy.timeoutMs);
    if (at === null || at > turn.now.mono) continue;
    if (run.phase === "running") stopRun(turn, name, run.firing.id, "timeout");
    else if (run.phase === "stopping") askStop(turn, name, run.firing.id);
    else if (routine.declared && turn.state.surveyed) beginAttempt(turn, name, run.firing, run.attempt + 1);
    else if (!routine.declared) finish(turn, name, run.firing.id, "failed", { why: "removed" });
  }
}

/** Monotonic instant of the next thing that the clock alone brings about for a run. */
export function runTimer(run: RunState, timeoutMs: number | null): number | null {
  if (run.phase !== "running") return run.retryAt;
  return timeoutMs === null || run.startedAt === null ? null : run.startedAt + timeoutMs;
}
