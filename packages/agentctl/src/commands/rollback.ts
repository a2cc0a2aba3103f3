import { basename } from "node:path";
import { type ExitCode, exitCode } from "@daruma/base";
import { agentctlErrors } from "../catalogue.ts";
import type { Context } from "../cli/command.ts";
import { locateInstance } from "../instance/locate.ts";
import { pause, statusIfAny } from "../instance/patience.ts";
import {
  type GenerationRow,
  type RollbackDocument,
  type StatusDocument,
  type WatchdClient,
  watchdClient,
} from "../instance/watchd-client.ts";
import { elapsed } from "../story/elapsed.ts";
import { durationOf } from "./duration.ts";
import { isProven } from "./status.ts";

export interface RollbackInput {
  readonly options: {
    readonly to: number | undefined;
    readonly yes: boolean;
    readonly wait: boolean;
    readonly timeout: string;
    readonly state: string | undefined;
  };
}

const pollMs = 100;

export async function rollback(context: Context, { options }: RollbackInput): Promise<ExitCode> {
  const timeoutMs = await durationOf(options.timeout);
  const { sockets } = await locateInstance(options.state, context);
  const watchd = watchdClient(sockets.watchd);
  const rows = (await watchd.generations()).generations;
  const target = chooseTarget(rows, options.to);
  context.output.note(announcement(rows, target));
  if (!options.yes) await consent(context, target);
  const startedAt = performance.now();
  const accepted = await watchd.rollback(target.number);
  const ask = { watchd, accepted, timeoutMs, interrupt: context.interrupt };
  const proven = options.wait ? await waitForProof(ask) : null;
  const document = { ...accepted, waited: options.wait, proven: proven !== null };
  const took = elapsed(performance.now() - startedAt);
  await context.output.result(document, () => [
    proven === null
      ? `accepted: on the way to generation ${target.number}`
      : `generation ${target.number} is current and every required agent is proven, after ${took}`,
  ]);
  return exitCode.ok;
}

/**
 * The generation with that number; without one, the newest known-good generation before the current one.
 *
 * @throws ROLLBACK_E_NO_TARGET; a number is left to watchd to refuse, with its reasons.
 */
export function chooseTarget(
  rows: readonly GenerationRow[],
  to: number | undefined,
): Pick<GenerationRow, "number" | "path"> {
  if (to !== undefined) return rows.find((row) => row.number === to) ?? { number: to, path: "" };
  const current = rows.find((row) => row.current);
  const found = rows
    .filter((row) => row.knownGood && !row.quarantined && row.path !== current?.path)
    .filter((row) => current === undefined || row.number < current.number)
    .toSorted((a, b) => b.number - a.number)[0];
  if (found !== undefined) return found;
  const message =
    current === undefined
      ? "nothing has been deployed yet"
      : `there is no known-good generation before ${current.number}, the current one`;
  throw agentctlErrors.make("ROLLBACK_E_NO_TARGET", message);
}

function announcement(
  rows: readonly GenerationRow[],
  target: Pick<GenerationRow, "number" | "path">,
): string {
  const current = rows.find((row) => row.current);
  const name = target.path === "" ? "" : ` (${basename(target.path)})`;
  return `rolling back from generation ${current?.number ?? "none"} to generation ${target.number}${name}`;
}

async function consent(context: Context, target: { readonly number: number }): Promise<void> {
  const answer = await context.confirm(`Roll back to generation ${target.number}?`);
  if (answer === true) return;
  if (answer === null) {
    throw agentctlErrors.make("CLI_E_CONFIRM", "a rollback needs a yes, and there is no terminal to ask on");
  }
  throw agentctlErrors.make("CLI_E_DECLINED", "not rolled back");
}

export interface Ask {
  readonly watchd: Pick<WatchdClient, "status">;
  readonly accepted: RollbackDocument;
  readonly timeoutMs: number;
  readonly interrupt: AbortSignal;
}

/** Waits until the target is current and proven. watchd may go away in between: a rollback may restart it. */
export async function waitForProof(ask: Ask): Promise<StatusDocument> {
  const deadline = performance.now() + ask.timeoutMs;
  for (;;) {
    const status = await statusIfAny(ask.watchd);
    const finding =
      status === null
        ? { kind: "wait" as const, why: "watchd does not answer" }
        : judge(status, ask.accepted);
    if (finding.kind === "proven" && status !== null) return status;
    if (finding.kind === "failed") throw agentctlErrors.make("ROLLBACK_E_FAILED", finding.why);
    if (performance.now() >= deadline) throw tooLate(ask, finding.why, status);
    await pause(pollMs, ask.interrupt);
  }
}

export type Finding =
  | { readonly kind: "proven"; readonly why: "" }
  | { readonly kind: "wait" | "failed"; readonly why: string };

/** How far the accepted rollback has come, by what watchd says now. */
export function judge(status: StatusDocument, accepted: RollbackDocument): Finding {
  const { generation, rollback: under, agents } = status;
  if (generation?.path !== accepted.target) {
    if (under?.target === accepted.target) return { kind: "wait", why: "the switch is under way" };
    return {
      kind: "failed",
      why: `the rollback to ${basename(accepted.target)} ended, and generation ${generation?.number ?? "none"} is current`,
    };
  }
  // What a person has stopped is not started by a rollback, and proves nothing.
  const open = agents.filter((agent) => agent.required && agent.stoppedBy !== "person" && !isProven(agent));
  if (open.length === 0) return { kind: "proven", why: "" };
  return { kind: "wait", why: open.map((agent) => `${agent.name} is ${agent.phase}`).join(", ") };
}

function tooLate({ accepted, timeoutMs }: Ask, why: string, status: StatusDocument | null): Error {
  const switched = status?.generation?.path === accepted.target;
  const code = switched ? "ROLLBACK_E_NOT_PROVEN" : "ROLLBACK_E_FAILED";
  return agentctlErrors.make(code, `not proven within ${elapsed(timeoutMs)}: ${why}`);
}
