import type { JsonValue } from "@daruma/base";
import { raiseAlert } from "./alerting.ts";
import { backoffDelay, longestDelay, patientDelay, withinWindow } from "./backoff.ts";
import { escalate, scheduleRestart } from "./escalation.ts";
import { awaitsWord, downDependencyOf } from "./needs.ts";
import { isExhausted } from "./rollback-rules.ts";
import type { AgentState, FailureCause, Incident } from "./state.ts";
import { agentOf, draw, freshId, patchAgent, record, type Turn } from "./turn.ts";
import { downUpstreamOf } from "./upstreams.ts";

/** EX_TEMPFAIL of sysexits(3): the agent says that the fault is not its own. */
export const temporaryFailure = 75;

/** EX_CONFIG of sysexits(3): the agent says that its configuration is wrong. */
export const wrongConfiguration = 78;

/** Failures of one kind that are remembered; far more than any backoff needs to reach its longest delay. */
const leastRemembered = 32;

export interface Failure {
  readonly cause: FailureCause;
  /**
   * Whose fault it is, as far as anybody knows. What nobody saw happen is a reason to restart more slowly, and none to
   * blame a deploy: the cause may well have been outside.
   */
  readonly fault: "own" | "outside" | "unknown";
  /** Ledger action that tells it. */
  readonly action: string;
  readonly run: string | undefined;
  readonly details: { readonly [key: string]: JsonValue };
  /** Where it may be heard of late: the monotonic instants at which it happened, and since which its run has been known. */
  readonly heard?: { readonly at: number; readonly runKnownAt: number };
}

/** Books a failure; what to do about it is decided by `recover` once nothing of the run is left. */
export function bookFailure(turn: Turn, name: string, failure: Failure): void {
  const agent = agentOf(turn, name);
  if (agent === undefined) return;
  const outside = explainsItself(failure) ? {} : outsideOf(turn, name);
  const isOutside = Object.keys(outside).length > 0;
  const { cause, fault } = isOutside ? ({ cause: "dependency", fault: "outside" } as const) : failure;
  const isOld = failure.heard !== undefined && isBeforeSwitch(turn, failure.heard.at);
  const incident = agent.incident ?? openIncident(turn, cause, beganAt(turn, failure));
  patchAgent(turn, name, { incident, ...booked(turn, agent, fault, isOld) });
  record(turn, {
    action: failure.action,
    subject: name,
    incident: incident.id,
    run: failure.run,
    severity: "warning",
    details: { cause, ...failure.details, ...outside },
  });
}

/** Whether it was before this generation was activated, as far as that was noticed. */
export function isBeforeSwitch({ state: { generation } }: Turn, at: number): boolean {
  return generation !== null && at < generation.activated.mono;
}

/** The turn in which a failure began: one that was over before the switch, of a run from before it, is older than the switch. */
function beganAt({ state }: Turn, { heard }: Failure): number {
  const { generation, turn } = state;
  if (generation === null || heard === undefined) return turn;
  const { mono } = generation.activated;
  return heard.at < mono && heard.runKnownAt <= mono ? generation.activatedTurn : turn;
}

/** What is down that the agent needs, as the ledger tells it; nothing where nothing is. */
function outsideOf({ state, now }: Turn, name: string): { readonly [key: string]: string } {
  const upstream = downUpstreamOf(state, name, now);
  if (upstream !== null) return { upstream };
  const dependency = downDependencyOf(state, name, now);
  return dependency === null ? {} : { dependency };
}

const ownCauses: readonly FailureCause[] = ["leak", "resource", "start-failed", "configuration"];

/** Nothing outside makes an agent use too much, impossible to start, or say that its configuration is wrong. */
function explainsItself({ cause, fault }: Failure): boolean {
  return fault !== "own" || ownCauses.includes(cause);
}

function booked(turn: Turn, agent: AgentState, fault: Failure["fault"], isOld: boolean): Partial<AgentState> {
  const { restart } = agent.policy;
  const { mono } = turn.now;
  const add = (before: readonly number[]) =>
    [...withinWindow(before, restart, mono), mono].slice(-Math.max(restart.attempts, leastRemembered));
  if (fault === "outside") {
    return { outsideFaults: add(agent.outsideFaults), externalFaults: agent.externalFaults + 1 };
  }
  const failures = add(agent.failures);
  if (fault === "unknown" || isOld) return { failures, externalFaults: 0 };
  const failuresInGeneration = agent.failuresInGeneration + 1;
  return { failures, evidence: add(agent.evidence), failuresInGeneration, externalFaults: 0 };
}

function openIncident(turn: Turn, cause: FailureCause, sinceTurn: number): Incident {
  return {
    id: freshId(turn, "inc"),
    since: turn.now,
    sinceTurn,
    cause,
    restarts: 0,
    rolledBack: false,
    alerts: [],
  };
}

/** Nothing of the failed run is left: restart, escalate, or hold. */
export function recover(turn: Turn, name: string): void {
  const agent = agentOf(turn, name);
  if (agent === undefined) return;
  if (turn.state.draining) {
    patchAgent(turn, name, { phase: "stopped", restartAt: null });
    return;
  }
  if (agent.stoppedBy !== null) {
    patchAgent(turn, name, { phase: "stopped", restartAt: null, incident: null });
    return;
  }
  if (turn.state.rollback?.agent === name || agent.goingBack !== null) {
    // It asked for this, and what comes of that decides how it goes on.
    patchAgent(turn, name, { phase: "backoff", restartAt: null });
    return;
  }
  if (agent.policy.restart.when === "never") {
    patchAgent(turn, name, { phase: "failed", restartAt: null });
    raiseAlert(turn, name, "failed", "failed, and its restart policy is never", []);
    return;
  }
  if (agent.externalFaults > 0) {
    raiseAlert(
      turn,
      name,
      "outside",
      "waits for something outside; restarting with backoff, without rollback",
      [],
    );
    scheduleRestart(turn, name, outsideDelay(turn, agent));
    return;
  }
  if (agent.held || agent.misconfigured || isExhausted(agent, turn.now)) {
    if (agent.held || agent.misconfigured || !awaitsWord(agent)) escalate(turn, name);
    else waitForWord(turn, name, agent);
    return;
  }
  const recent = withinWindow(agent.failures, agent.policy.restart, turn.now.mono).length;
  scheduleRestart(turn, name, backoffDelay(agent.policy.restart.backoff, recent, draw(turn)));
}

/** Nobody has asked since it failed whether what it needs is there. The answer, or its next failure, decides. */
function waitForWord(turn: Turn, name: string, agent: AgentState): void {
  patchAgent(turn, name, { awaitsWord: true });
  scheduleRestart(turn, name, longestDelay(agent.policy.restart.backoff, draw(turn)));
}

/** An agent that is well for a moment between two such faults has not waited them out: they count within the window. */
function outsideDelay(turn: Turn, agent: AgentState): number {
  const { backoff } = agent.policy.restart;
  if (agent.held) return longestDelay(backoff, draw(turn));
  const recent = withinWindow(agent.outsideFaults, agent.policy.restart, turn.now.mono).length;
  return patientDelay(backoff, Math.max(recent, agent.externalFaults), draw(turn));
}
