import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { type ExitCode, exitCode, messageOf } from "@daruma/base";
import { readEntries } from "@daruma/ledger";
import { agentctlErrors } from "../catalogue.ts";
import type { Context } from "../cli/command.ts";
import { locateInstance } from "../instance/locate.ts";
import { pause } from "../instance/patience.ts";
import { type WatchdClient, watchdClient } from "../instance/watchd-client.ts";
import { elapsed } from "../story/elapsed.ts";
import { durationOf } from "./duration.ts";
import { person } from "./person.ts";
import { isActive, routineIfAny } from "./routine-runs.ts";

interface Named {
  readonly args: { readonly NAME: string };
}

interface StateOption {
  readonly options: { readonly state: string | undefined };
}

export interface RoutineRunInput extends Named {
  readonly options: {
    readonly input: string | undefined;
    readonly wait: boolean;
    readonly timeout: string;
    readonly state: string | undefined;
  };
}

/** watchd takes no more (`mostInputBytes` there). */
const mostInputBytes = 700_000;
const pollMs = 200;

/** `agentctl routine run NAME` */
export async function routineRun(context: Context, { args, options }: RoutineRunInput): Promise<ExitCode> {
  const timeoutMs = await durationOf(options.timeout);
  const input = options.input === undefined ? null : await readInput(context, options.input);
  const { sockets } = await locateInstance(options.state, context);
  const watchd = watchdClient(sockets.watchd);
  const answer = await watchd.runRoutine(args.NAME, person(context), input);
  if (answer.outcome !== "accepted") {
    const message = `${args.NAME} was not run: ${answer.outcome} (${answer.why})`;
    throw agentctlErrors.make("ROUTINE_E_NOT_RUN", message);
  }
  const { run } = answer;
  if (!options.wait) {
    await context.output.result({ ...answer, waited: false, finished: null }, () => [
      `${args.NAME}: ${run} is accepted`,
    ]);
    return exitCode.ok;
  }
  const finished = await waitFor(
    context,
    { watchd, socket: sockets.operatorLedger },
    args.NAME,
    run,
    timeoutMs,
  );
  if (finished.outcome !== "succeeded") {
    throw agentctlErrors.make("ROUTINE_E_RUN_FAILED", `${run} of ${args.NAME}: ${finished.outcome}`);
  }
  await context.output.result({ ...answer, waited: true, finished }, () => [
    `${args.NAME}: ${run} succeeded after ${elapsed(finished.tookMs)}`,
  ]);
  return exitCode.ok;
}

interface Finished {
  readonly outcome: string;
  readonly tookMs: number;
}

interface Sources {
  readonly watchd: WatchdClient;
  readonly socket: string;
}

/** @throws ROUTINE_E_RUN_FAILED when the time is up, or the run was dropped */
async function waitFor(
  context: Context,
  { watchd, socket }: Sources,
  name: string,
  run: string,
  timeoutMs: number,
): Promise<Finished> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const routine = await routineIfAny(watchd, name);
    if (routine !== null && !isActive(routine, run)) {
      const end = await endOf(socket, run, context.interrupt);
      if (end !== null) return end;
    }
    if (performance.now() >= deadline) {
      const message = `${run} of ${name} is not over within ${elapsed(timeoutMs)}`;
      throw agentctlErrors.make("ROUTINE_E_RUN_FAILED", message);
    }
    await pause(pollMs, context.interrupt);
  }
}

/** What the ledger says of its end; null as long as it says nothing. */
async function endOf(socket: string, run: string, signal: AbortSignal): Promise<Finished | null> {
  for await (const { entry } of readEntries({ socket, filter: { run, action: "routine.*" }, signal })) {
    const { outcome, tookMs } = entry.details;
    if (entry.action === "routine.dropped") return { outcome: `dropped (${entry.details.why})`, tookMs: 0 };
    if (entry.action !== "routine.finished") continue;
    return { outcome: String(outcome), tookMs: typeof tookMs === "number" ? tookMs : 0 };
  }
  return null;
}

/** `agentctl routine pause NAME WHY` */
export async function routinePause(
  context: Context,
  { args, options }: StateOption & { readonly args: { readonly NAME: string; readonly WHY: string } },
): Promise<ExitCode> {
  const { sockets } = await locateInstance(options.state, context);
  const by = person(context);
  const document = await watchdClient(sockets.watchd).pauseRoutine(args.NAME, by, args.WHY);
  await context.output.result(document, () => [
    `${args.NAME} is paused by ${by} until \`agentctl routine resume ${args.NAME}\`: ${args.WHY}`,
  ]);
  return exitCode.ok;
}

/** `agentctl routine resume NAME` */
export async function routineResume(
  context: Context,
  { args, options }: Named & StateOption,
): Promise<ExitCode> {
  const { sockets } = await locateInstance(options.state, context);
  const document = await watchdClient(sockets.watchd).resumeRoutine(args.NAME, person(context));
  const { next } = document.routine;
  await context.output.result(document, () => [
    `${args.NAME} is not paused${next === null ? "" : `; it is due next at ${next}`}`,
  ]);
  return exitCode.ok;
}

/** @throws ROUTINE_E_INPUT */
async function readInput(context: Context, file: string): Promise<string> {
  const path = resolve(context.cwd, file);
  const bytes = await readFile(path).catch((cause: unknown) => {
    const message = `the input cannot be read: ${messageOf(cause)}`;
    throw agentctlErrors.make("ROUTINE_E_INPUT", message, { where: path, cause });
  });
  if (bytes.length <= mostInputBytes) return bytes.toString("base64");
  throw agentctlErrors.make(
    "ROUTINE_E_INPUT",
    `the input has ${bytes.length} bytes, and at most ${mostInputBytes} are taken`,
  );
}
