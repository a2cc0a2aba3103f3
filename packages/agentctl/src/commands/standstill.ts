import { type ExitCode, exitCode } from "@daruma/base";
import { agentctlErrors } from "../catalogue.ts";
import type { Context } from "../cli/command.ts";
import { locateInstance } from "../instance/locate.ts";
import { pause, statusIfAny } from "../instance/patience.ts";
import { type AgentStatus, type WatchdClient, watchdClient } from "../instance/watchd-client.ts";
import { elapsed } from "../story/elapsed.ts";
import { durationOf } from "./duration.ts";
import { isProven } from "./status.ts";

export interface StandstillInput {
  readonly args: { readonly NAME: string };
  readonly options: { readonly wait: boolean; readonly timeout: string; readonly state: string | undefined };
}

const pollMs = 100;

/** `agentctl stop NAME` */
export function stop(context: Context, input: StandstillInput): Promise<ExitCode> {
  return carryOut(context, input, {
    ask: (watchd, name) => watchd.stopAgent(name),
    isDone: (agent) => agent?.stoppedBy === "person" && agent.phase === "stopped",
    accepted: (name) => `${name} is being stopped, and stays stopped until \`agentctl start ${name}\``,
    done: (name, took) => `${name} is stopped after ${took}, and stays so until \`agentctl start ${name}\``,
  });
}

/** `agentctl start NAME` */
export function start(context: Context, input: StandstillInput): Promise<ExitCode> {
  return carryOut(context, input, {
    ask: (watchd, name) => watchd.startAgent(name),
    isDone: (agent) => agent !== undefined && agent.stoppedBy === null && isProven(agent),
    accepted: (name) => `${name} is being started`,
    done: (name, took) => `${name} is proven healthy after ${took}`,
  });
}

interface Deed {
  readonly ask: (watchd: WatchdClient, name: string) => Promise<{ readonly schemaVersion: 1 }>;
  readonly isDone: (agent: AgentStatus | undefined) => boolean;
  readonly accepted: (name: string) => string;
  readonly done: (name: string, took: string) => string;
}

async function carryOut(context: Context, { args, options }: StandstillInput, deed: Deed): Promise<ExitCode> {
  const timeoutMs = await durationOf(options.timeout);
  const { sockets } = await locateInstance(options.state, context);
  const watchd = watchdClient(sockets.watchd);
  const startedAt = performance.now();
  const accepted = await deed.ask(watchd, args.NAME);
  const last = options.wait ? await waitFor(context, watchd, args.NAME, deed, timeoutMs) : null;
  const took = elapsed(performance.now() - startedAt);
  const document = { ...accepted, waited: options.wait, phase: last?.phase ?? null };
  await context.output.result(document, () => [
    last === null ? deed.accepted(args.NAME) : deed.done(args.NAME, took),
  ]);
  return exitCode.ok;
}

/** @throws STANDSTILL_E_NOT_YET */
async function waitFor(
  context: Context,
  watchd: WatchdClient,
  name: string,
  { isDone }: Deed,
  timeoutMs: number,
): Promise<AgentStatus | null> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const agent = (await statusIfAny(watchd))?.agents.find((each) => each.name === name);
    if (isDone(agent)) return agent ?? null;
    if (performance.now() >= deadline) {
      const where = agent === undefined ? "watchd does not answer" : `${name} is ${agent.phase}`;
      throw agentctlErrors.make("STANDSTILL_E_NOT_YET", `not done within ${elapsed(timeoutMs)}: ${where}`);
    }
    await pause(pollMs, context.interrupt);
  }
}
