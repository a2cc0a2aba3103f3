import { bookFailure } from "./failure.ts";
import { doubtMs, sleptThroughMs } from "./heartbeat.ts";
import { beginStop } from "./start-stop.ts";
import type { AgentState } from "./state.ts";
import { agentOf, patchAgent, type Turn } from "./turn.ts";

/*
 * A loop that is stuck beats on and answers its health check. What gives it away is a counter of its work that stops rising while there
 * is work to do.
 */

/** The agent tells its counter. One that has fallen was begun anew, which by itself is no progress. */
export function onProgress(turn: Turn, name: string, runId: string, count: number): void {
  const agent = agentOf(turn, name);
  if (agent?.policy.progress === undefined) return;
  // It may speak before its start has been reported.
  const speaks = agent.startingRun?.runId === runId || (agent.run?.runId === runId && isLookedAt(agent));
  if (!speaks) return;
  const rises = agent.work.count === null || count > agent.work.count;
  // Who gets on is not idle, whatever was said before.
  const risen = rises ? { since: turn.now.mono, doubtedAt: null, idleUntil: null } : {};
  patchAgent(turn, name, { work: { ...agent.work, count, ...risen } });
}

/** Monotonic instant at which the agent is stuck; null where nobody looks. The first word may take as long as starting up may. */
export function stuckAt(agent: AgentState): number | null {
  const { progress, startupMs } = agent.policy;
  const { since, count, idleUntil, doubtedAt } = agent.work;
  if (progress === undefined || since === null || !isLookedAt(agent)) return null;
  const from = Math.max(since, idleUntil ?? since);
  const due = from + (count === null ? Math.max(progress.withinMs, startupMs) : progress.withinMs);
  return doubtedAt === null ? due : Math.max(due, doubtedAt + doubtMs);
}

export function onStuck(turn: Turn, name: string, dueAt: number): void {
  const agent = agentOf(turn, name);
  if (agent?.run == null || agent.policy.progress === undefined || agent.work.since === null) return;
  const { mono } = turn.now;
  if (mono - dueAt > sleptThroughMs) {
    patchAgent(turn, name, { work: { ...agent.work, since: mono, doubtedAt: null } });
    return;
  }
  if (agent.work.doubtedAt === null) {
    patchAgent(turn, name, { work: { ...agent.work, doubtedAt: mono } });
    return;
  }
  bookFailure(turn, name, {
    cause: "hang",
    fault: "own",
    action: "agent.stuck",
    run: agent.run.runId,
    details: {
      count: agent.work.count,
      stuckMs: mono - agent.work.since,
      limitMs: agent.policy.progress.withinMs,
      uptimeMs: mono - agent.run.started.mono,
    },
  });
  beginStop(turn, name, "recover", "its work does not get on");
}

function isLookedAt({ phase }: AgentState): boolean {
  return phase === "verifying" || phase === "healthy";
}
