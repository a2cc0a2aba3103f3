import { type ExitCode, exitCode } from "@daruma/base";
import { agentctlErrors } from "../catalogue.ts";
import type { Context } from "../cli/command.ts";
import { locateInstance } from "../instance/locate.ts";
import { pause } from "../instance/patience.ts";
import { watchdClient } from "../instance/watchd-client.ts";
import { elapsed } from "../story/elapsed.ts";
import { durationOf } from "./duration.ts";
import { person } from "./person.ts";
import { isActive, routineIfAny } from "./routine-runs.ts";

export interface RoutineStopInput {
  readonly args: { readonly NAME: string; readonly RUN: string | undefined };
  readonly options: { readonly timeout: string; readonly state: string | undefined };
}

const pollMs = 100;

/** `agentctl routine stop NAME` */
export async function routineStop(context: Context, { args, options }: RoutineStopInput): Promise<ExitCode> {
  const timeoutMs = await durationOf(options.timeout);
  const { sockets } = await locateInstance(options.state, context);
  const watchd = watchdClient(sockets.watchd);
  const { NAME, RUN } = args;
  const answer = await watchd.stopRoutine(NAME, RUN ?? null, person(context));
  if (RUN !== undefined && answer.runs.length === 0) {
    throw agentctlErrors.make("ROUTINE_E_NO_RUN", `${NAME} has no run ${RUN} that is active or waits`);
  }
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const routine = await routineIfAny(watchd, NAME);
    const left = routine === null ? answer.runs : answer.runs.filter((run) => isActive(routine, run));
    if (left.length === 0) break;
    if (performance.now() >= deadline) {
      const message = `${left.join(", ")} of ${NAME} is not over within ${elapsed(timeoutMs)}`;
      throw agentctlErrors.make("ROUTINE_E_RUN_FAILED", message);
    }
    await pause(pollMs, context.interrupt);
  }
  await context.output.result(answer, () =>
    answer.runs.length === 0
      ? [`${NAME}: nothing runs or waits`]
      : answer.runs.map((run) => `${NAME}: ${run} is stopped`),
  );
  return exitCode.ok;
}
