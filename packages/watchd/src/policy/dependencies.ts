import { own } from "@daruma/base";
import { escalate } from "./escalation.ts";
import type { DependenciesEvent } from "./events.ts";
import { awaitsWord, downDependencyOf } from "./needs.ts";
import type { AgentState } from "./state.ts";
import { agentOf, patchAgent, record, type Turn } from "./turn.ts";
import { upstreamGraceMs } from "./upstreams.ts";

/** A dependency that was not asked for longer than this may have been down meanwhile, in milliseconds. */
export const longestGapMs = 25_000;

export function onDependencies(turn: Turn, { at, found }: DependenciesEvent): void {
  for (const { agent, dependency, problem } of found) note(turn, agent, dependency, problem, at);
  for (const name of new Set(found.map(({ agent }) => agent))) goOn(turn, name);
}

function note(turn: Turn, name: string, dependency: string, problem: string | null, at: number): void {
  const agent = agentOf(turn, name);
  if (agent === undefined || !Object.hasOwn(agent.policy.dependencies ?? {}, dependency)) return;
  const last = own(agent.reached, dependency) ?? 0;
  if (at <= last) return;
  const known = own(agent.lacking, dependency);
  const isKnown = known !== undefined && known.until === null;
  if (problem !== null) {
    patchAgent(turn, name, excused(agent, last));
    if (!isKnown) tell(turn, name, dependency, problem);
    return;
  }
  if (last > 0 && at - last > longestGapMs) patchAgent(turn, name, excused(agent, last));
  patchAgent(turn, name, { reached: { ...agent.reached, [dependency]: at } });
  if (isKnown) tell(turn, name, dependency, null);
}

function tell(turn: Turn, name: string, dependency: string, problem: string | null): void {
  const agent = agentOf(turn, name);
  if (agent === undefined) return;
  const until = problem === null ? turn.now.mono + upstreamGraceMs : null;
  patchAgent(turn, name, { lacking: { ...agent.lacking, [dependency]: { until } } });
  record(turn, {
    action: problem === null ? "dependency.up" : "dependency.down",
    subject: name,
    incident: agent.incident?.id,
    run: agent.run?.runId,
    severity: problem === null ? "info" : "warning",
    details: { dependency, ...(problem === null ? {} : { reason: problem }) },
  });
}

/** What has failed since it was reached last may well have failed for want of it: it speaks against nobody. */
function excused(agent: AgentState, lastReached: number): Partial<AgentState> {
  const outside = agent.evidence.filter((at) => at > lastReached);
  if (outside.length === 0) return {};
  return {
    evidence: agent.evidence.filter((at) => at <= lastReached),
    failures: agent.failures.filter((at) => !outside.includes(at)),
    failuresInGeneration: Math.max(0, agent.failuresInGeneration - outside.length),
    outsideFaults: [...agent.outsideFaults, ...outside].sort((a, b) => a - b),
  };
}

/** Where only this was waited for, it is decided now what comes of the failure. */
function goOn(turn: Turn, name: string): void {
  const agent = agentOf(turn, name);
  if (agent?.phase !== "backoff" || !agent.awaitsWord || agent.restartAt === null) return;
  if (turn.state.draining || agent.stoppedBy !== null || !agent.declared || agent.incident === null) return;
  if (awaitsWord(agent) || downDependencyOf(turn.state, name, turn.now) !== null) return;
  patchAgent(turn, name, { awaitsWord: false });
  escalate(turn, name);
}
