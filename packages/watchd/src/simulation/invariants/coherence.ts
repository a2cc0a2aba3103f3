import type { AgentState, State } from "../../policy/state.ts";
import { keyOf } from "../command-keys.ts";
import type { Invariant } from "./invariant.ts";

export const timersAreNeverForgotten: Invariant = ({ nextWake, now, taken }) => {
  if (nextWake === null) return null;
  if (nextWake <= now.mono) return `the next wake-up, ${nextWake}, is not after ${now.mono}`;
  if (!Number.isFinite(nextWake)) return `the next wake-up is ${nextWake}`;
  return taken.state.surveyed ? null : "there is a wake-up before the survey";
};

/** Something will happen to every agent that is not where it should be: an answer, a timer, or the end of a rollback. */
export const nobodyIsForgotten: Invariant = (seen, memory) => {
  const { state } = seen.taken;
  if (!state.surveyed || state.draining) return null;
  const outstanding = (key: string) =>
    memory.outstanding.has(key) || seen.taken.commands.some((command) => keyOf(command) === key);
  const { rollback } = state;
  const isTimed =
    rollback?.retry !== undefined && seen.nextWake !== null && seen.nextWake <= rollback.retry.at;
  if (rollback !== null && !isTimed && !outstanding(`rollback ${rollback.id}`))
    return `nobody carries out ${rollback.id}`;
  for (const [name, agent] of Object.entries(state.agents)) {
    const why = idle(state, name, agent, seen.nextWake, outstanding);
    if (why !== null) return `${name} ${why}`;
  }
  return null;
};

/** By when at the latest the core must have looked how long it has been silent. */
function silentBy({ policy, pulse: { since, doubtedAt } }: AgentState): number | null {
  if (since === null || policy.heartbeat === null) return null;
  return Math.max(since + Math.max(policy.heartbeat.silenceMs, policy.startupMs), (doubtedAt ?? 0) + 1_000);
}

/** By when at the latest the core must have looked whether its work gets on. */
function stuckBy({ policy, work: { since, idleUntil, doubtedAt } }: AgentState): number | null {
  if (since === null || policy.progress === undefined) return null;
  const from = Math.max(since, idleUntil ?? since);
  return Math.max(from + Math.max(policy.progress.withinMs, policy.startupMs), (doubtedAt ?? 0) + 1_000);
}

function isHeard({ policy, pulse }: AgentState): boolean {
  return policy.heartbeat?.through !== "http" || pulse.heard;
}

function pendingUntil({ pending, policy: { resources } }: AgentState): number | null {
  if (pending === null || resources === undefined) return null;
  return Math.max(pending.since + resources.restartWithinMs, pending.againAt ?? 0);
}

function idle(
  state: State,
  name: string,
  agent: AgentState,
  nextWake: number | null,
  outstanding: (key: string) => boolean,
): string | null {
  const timed = (at: number | null) => at !== null && nextWake !== null && nextWake <= at;
  const isGoingBack = agent.goingBack !== null && outstanding(`find-earlier ${agent.goingBack.id}`);
  switch (agent.phase) {
    case "stopped":
      if (isGoingBack) return null;
      if (agent.stoppedBy !== null || agent.strays.length > 0 || state.rollback?.agent === name) return null;
      return agent.declared ? "is stopped and nobody will start it" : "is gone and still there";
    case "starting":
      if (agent.run !== null || agent.startingRun === null) return "is starting, and what is not known";
      return outstanding(`start ${agent.startingRun.runId}`) ? null : "is starting, but nobody starts it";
    case "verifying":
    case "healthy":
      if (agent.run === null) return `is ${agent.phase} without a run`;
      if (agent.policy.heartbeat?.through === "http" && !timed(silentBy(agent)))
        return "nobody listens whether it gets on";
      if (agent.policy.progress !== undefined && !timed(stuckBy(agent))) return "nobody looks at its work";
      if (agent.pending !== null && agent.phase === "healthy" && !timed(pendingUntil(agent)))
        return "uses too much, and nobody will restart it";
      if (agent.policy.health === null)
        return agent.phase === "healthy" ||
          !isHeard(agent) ||
          timed(agent.run.started.mono + agent.policy.startupMs)
          ? null
          : "nobody looks whether it lasts";
      if (agent.probe.outstanding)
        return outstanding(`probe ${agent.run.runId}`) ? null : "waits for a probe that nobody sent";
      return timed(agent.probe.nextAt) ? null : "is never probed again";
    case "stopping":
      if (agent.run === null) return "is stopping without a run";
      if (agent.afterStop === "outside") return null;
      return outstanding(`stop ${agent.run.runId}`) || timed(agent.restartAt)
        ? null
        : "is stopping, but nobody stops it";
    case "backoff":
      if (agent.run !== null || agent.startingRun !== null) return "waits to be started and is not down";
      if (agent.restartAt === null && isGoingBack) return null;
      if (agent.restartAt === null)
        return state.rollback?.agent === name ? null : "waits for a rollback that there is not";
      return timed(agent.restartAt) ? null : "its restart is forgotten";
    case "completed":
    case "failed": {
      const { when } = agent.policy.restart;
      if (agent.phase === "completed" ? when === "always" : when !== "never" && !agent.misconfigured)
        return `is ${agent.phase} for good`;
      return agent.run === null && agent.startingRun === null ? null : `is ${agent.phase} and not down`;
    }
  }
}
