import { raiseAlert } from "./alerting.ts";
import { withinWindow } from "./backoff.ts";
import type { UsageEvent } from "./events.ts";
import { bookFailure } from "./failure.ts";
import { turnToPreempt } from "./restart-turns.ts";
import { beginStop } from "./start-stop.ts";
import type { AgentState, FailureCause } from "./state.ts";
import { agentOf, patchAgent, record, type Turn } from "./turn.ts";
import { addLatency, addSample, type Excess, excessOf, isOver, untoldBounds } from "./usage.ts";
import type { PendingRestart } from "./watched.ts";

/*
 * An agent that uses too much is restarted before it fails: at a moment that it calls idle, or at a deadline. In a generation that
 * has proven itself that is no failure. In one that has not, a deploy may well have brought it: then it is one.
 */

export function onUsage(turn: Turn, { at, runs }: UsageEvent): void {
  for (const { agent: name, runId, usage } of runs) {
    const agent = agentOf(turn, name);
    if (!turn.state.surveyed || agent?.run?.runId !== runId || agent.phase === "stopping") continue;
    if (refuseMemory(turn, name, agent, runId, usage.memoryBytes)) continue;
    const { resources } = agent.policy;
    // While it starts up it may use what it likes; of memory its growth only counts from then on.
    const judged = agent.phase === "healthy" ? resources : undefined;
    patchAgent(turn, name, { usage: addSample(agent.usage, at, usage, judged) });
    if (resources !== undefined) tellUntold(turn, name);
    judge(turn, name);
  }
}

/** More than the limit itself is a failure at once. */
function refuseMemory(
  turn: Turn,
  name: string,
  { policy }: AgentState,
  run: string,
  bytes: number | null,
): boolean {
  const limitBytes = policy.limits.memoryBytes;
  if (limitBytes === null || bytes === null || bytes <= limitBytes) return false;
  const details = { bytes, limitBytes };
  bookFailure(turn, name, { cause: "resource", fault: "own", action: "agent.over-memory", run, details });
  beginStop(turn, name, "recover", "it uses more memory than its limit");
  return true;
}

/** A health check has passed, after this long. */
export function noteLatency(turn: Turn, name: string, latencyMs: number): void {
  const agent = agentOf(turn, name);
  const resources = agent?.policy.resources;
  if (agent === undefined || resources === undefined || resources.latencyMs === null) return;
  patchAgent(turn, name, { usage: addLatency(agent.usage, turn.now.mono, latencyMs, resources) });
  judge(turn, name);
}

/** The agent has nothing to do for a while: a restart would disturb nobody. */
export function onIdle(turn: Turn, name: string, runId: string, forMs: number): void {
  const agent = agentOf(turn, name);
  if (agent?.run?.runId !== runId) return;
  patchAgent(turn, name, { work: { ...agent.work, idleUntil: forMs > 0 ? turn.now.mono + forMs : null } });
  if (forMs > 0 && agent.pending !== null && agent.phase === "healthy") preempt(turn, name, "idle");
}

/** Monotonic instant at which the restart of an agent that uses too much waits no longer; null for none. */
export function preemptionDue({ phase, pending, policy }: AgentState): number | null {
  if (phase !== "healthy" || pending === null || policy.resources === undefined) return null;
  return pending.againAt ?? pending.since + policy.resources.restartWithinMs;
}

export function onPreemptionDue(turn: Turn, name: string): void {
  const agent = agentOf(turn, name);
  if (agent?.pending == null || agent.policy.resources === undefined) return;
  const { mono } = turn.now;
  const { excess, since } = agent.pending;
  if (mono - since >= agent.policy.resources.restartWithinMs) preempt(turn, name, "deadline");
  else if (isIdle(agent, mono)) preempt(turn, name, "idle");
  else patchAgent(turn, name, { pending: { excess, since } });
}

function isIdle({ work: { idleUntil } }: AgentState, now: number): boolean {
  return idleUntil !== null && idleUntil > now;
}

/** What cannot be measured is said, once for each run. */
function tellUntold(turn: Turn, name: string): void {
  const agent = agentOf(turn, name);
  if (agent?.policy.resources === undefined) return;
  const untold = untoldBounds(agent.usage, agent.policy.resources);
  const news = untold.filter((resource) => !agent.usage.untold.includes(resource));
  if (news.length === 0) return;
  patchAgent(turn, name, { usage: { ...agent.usage, untold: [...agent.usage.untold, ...news] } });
  record(turn, {
    action: "agent.unmeasured",
    subject: name,
    run: agent.run?.runId,
    severity: "warning",
    details: { resources: [...news] },
  });
}

function judge(turn: Turn, name: string): void {
  const agent = agentOf(turn, name);
  const resources = agent?.policy.resources;
  if (agent === undefined || resources === undefined || agent.phase !== "healthy") return;
  if (agent.pending !== null) return reconsider(turn, name, agent, agent.pending);
  const { mono } = turn.now;
  const excess = excessOf(agent.usage, resources, mono);
  if (excess === null) return;
  const { attempts } = agent.policy.restart;
  const recent = withinWindow(agent.preempted, agent.policy.restart, mono);
  if (agent.policy.restart.when === "never" || recent.length >= attempts)
    return tellInVain(turn, name, excess);
  patchAgent(turn, name, { pending: { excess, since: mono } });
  record(turn, {
    action: excess.resource === "leak" ? "agent.leak" : "agent.overuse",
    subject: name,
    run: agent.run?.runId,
    severity: "warning",
    details: {
      resource: excess.resource,
      ...excess.evidence,
      restartWithinMs: resources.restartWithinMs,
    },
  });
  if (isIdle(agent, mono)) preempt(turn, name, "idle");
  else if (resources.restartWithinMs === 0) preempt(turn, name, "deadline");
}

/** It uses no more than it may, by itself: nothing is left to restart it for. */
function reconsider(turn: Turn, name: string, agent: AgentState, { excess, since }: PendingRestart): void {
  if (isOver(agent.usage, excess)) return;
  patchAgent(turn, name, { pending: null });
  record(turn, {
    action: "agent.overuse-over",
    subject: name,
    run: agent.run?.runId,
    details: { resource: excess.resource, afterMs: Math.round(turn.now.mono - since) },
  });
}

/** Restarting does not help, or is not wanted: somebody has to look. Once for each run. */
function tellInVain(turn: Turn, name: string, { resource, evidence }: Excess): void {
  const agent = agentOf(turn, name);
  if (agent === undefined || agent.toldInVain) return;
  patchAgent(turn, name, { toldInVain: true });
  const why = Object.entries(evidence).map(([what, value]) => `${what}: ${value}`);
  const never = agent.policy.restart.when === "never";
  const because = never ? "its restart policy is never" : "restarts before have not helped";
  raiseAlert(turn, name, "resource", `uses too much (${resource}), and ${because}`, why);
}

function preempt(turn: Turn, name: string, moment: "idle" | "deadline"): void {
  const agent = agentOf(turn, name);
  if (agent?.run == null || agent.pending === null) return;
  const { excess, since } = agent.pending;
  const { mono } = turn.now;
  const waitMs = turnToPreempt(turn, name);
  if (waitMs > 0) {
    patchAgent(turn, name, { pending: { excess, since, againAt: mono + waitMs } });
    return;
  }
  const { generation, knownGood } = turn.state;
  const isProven = knownGood.some(({ path }) => path === generation?.path);
  const details = {
    resource: excess.resource,
    ...excess.evidence,
    moment,
    waitedMs: Math.round(mono - since),
    counts: !isProven,
  };
  const why = `it uses too much: ${excess.resource}`;
  const run = agent.run.runId;
  patchAgent(turn, name, { pending: null });
  if (!isProven) {
    bookFailure(turn, name, { cause: causeOf(excess), fault: "own", action: "agent.preempt", run, details });
    beginStop(turn, name, "recover", why);
    return;
  }
  patchAgent(turn, name, { preempted: [...withinWindow(agent.preempted, agent.policy.restart, mono), mono] });
  record(turn, {
    action: "agent.preempt",
    subject: name,
    run,
    severity: "warning",
    details: { cause: causeOf(excess), ...details },
  });
  beginStop(turn, name, "replace", why);
}

function causeOf({ resource }: Excess): Extract<FailureCause, "leak" | "resource"> {
  return resource === "leak" ? "leak" : "resource";
}
