import { own } from "@daruma/base";
import type { ExitMeaning } from "@daruma/config";
import type { ExitCause } from "../ports.ts";
import { withinWindow } from "./backoff.ts";
import { type Failure, temporaryFailure, wrongConfiguration } from "./failure.ts";
import type { AgentState, State } from "./state.ts";

/** What the agent says by the way in which it ended at the monotonic instant `at`. `exits` has the last word, on what it can name. */
export function meaningOf(agent: AgentState, cause: ExitCause, at: number): ExitMeaning {
  const own = ownMeaning(cause, agent.policy.restart.exits ?? {});
  if (own !== undefined) return own;
  if (cause.kind !== "exit") return "failure";
  if (cause.code === 0) return hasServed(agent, at) ? "success" : "failure";
  if (cause.code === temporaryFailure) return "temporary";
  return cause.code === wrongConfiguration ? "configuration" : "failure";
}

/**
 * Whether the run has shown that it works, where the agent declares by what it shows that. A server whose new version ends at once
 * without complaint has not done its work. A watchd that has just come up goes by what outlives it, so that it need not have
 * looked again itself.
 */
function hasServed({ policy, phase, run }: AgentState, at: number): boolean {
  if ((policy.health === null && policy.heartbeat === null) || phase === "healthy") return true;
  if (run === null) return false;
  return policy.health === null ? at - run.started.mono >= policy.startupMs : run.served !== null;
}

function ownMeaning(cause: ExitCause, exits: Readonly<Record<string, ExitMeaning>>): ExitMeaning | undefined {
  const end = cause.kind === "exit" ? String(cause.code) : cause.kind === "signal" ? cause.signal : null;
  return end === null ? undefined : own(exits, end);
}

/** @param isKill as told by `isOperatorsKill` */
export function blameFor(
  cause: ExitCause,
  meaning: ExitMeaning,
  isKill: boolean,
): Pick<Failure, "cause" | "fault"> {
  if (cause.kind === "unknown") return { cause: "crash", fault: "unknown" };
  if (cause.kind === "watchdog") return { cause: "hang", fault: "own" };
  if (meaning === "temporary") return { cause: "dependency", fault: "outside" };
  if (meaning === "configuration") return { cause: "configuration", fault: "own" };
  if (cause.kind === "signal" && cause.sentBy === "oom-killer") return { cause: "resource", fault: "own" };
  return isKill ? { cause: "killed-by-operator", fault: "unknown" } : { cause: "crash", fault: "own" };
}

/** What people send with kill(1), or by closing a terminal; a fault in a program ends it otherwise (signal(7)). */
const killing = ["SIGKILL", "SIGTERM", "SIGINT", "SIGHUP"];

/**
 * Whether the run that ended at the monotonic instant `at` was most likely killed by somebody from outside. Nothing tells who has
 * sent a signal (waitid(2) does not), and a program may send it to itself. So this is believed only of a run that has long been
 * proven, in a generation that has been too, while nothing else was wrong, and once in the window: what ends so again, or
 * soon after its start, has crashed, or a broken deploy could hide behind its way of ending.
 */
export function isOperatorsKill(state: State, agent: AgentState, cause: ExitCause, at: number): boolean {
  if (cause.kind !== "signal" || !killing.includes(cause.signal) || cause.core === true) return false;
  if (cause.sentBy !== undefined || ownMeaning(cause, agent.policy.restart.exits ?? {}) !== undefined)
    return false;
  const { generation, knownGood } = state;
  if (generation === null || agent.run === null || !isFlawless(agent, at)) return false;
  const lasted = at - agent.run.started.mono >= generation.watchdog.probationMs;
  const isFirst = withinWindow(agent.failures, agent.policy.restart, at).length === 0;
  return lasted && isFirst && knownGood.some(({ path }) => path === generation.path);
}

/** In ms: a check that failed as shortly before the end was heard of may well have met the dead. */
const dyingMs = 1_000;

function isFlawless({ phase, probe, waitsFor, pending, standIn }: AgentState, at: number): boolean {
  const ailed = probe.failing > 0 && (probe.failingSince ?? 0) < at - dyingMs;
  return phase === "healthy" && !ailed && waitsFor === null && pending === null && standIn === null;
}
