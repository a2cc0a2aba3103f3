import { bookFailure } from "./failure.ts";
import { beginStop } from "./start-stop.ts";
import type { AgentState } from "./state.ts";
import { agentOf, patchAgent, type Turn } from "./turn.ts";

/*
 * Heartbeats through the agent's own socket. Those to systemd never come here: it acts by itself, and a run that it has ended for
 * its silence arrives as an exit.
 */

/**
 * A deadline that is noticed this much too late was slept through, by watchd or by the whole machine: what the agent said
 * meanwhile may still be waiting to be heard, so it gets one more round.
 */
export const sleptThroughMs = 1_000;

/** A watchd that was busy sees the time before it sees what has come in meanwhile; after this long it has seen both. */
export const doubtMs = 250;

/** The agent has said something through its own socket. */
export function onBeat(turn: Turn, name: string, runId: string): void {
  const agent = agentOf(turn, name);
  if (agent?.policy.heartbeat?.through !== "http") return;
  // It may speak before its start has been reported.
  const speaks = agent.startingRun?.runId === runId || (agent.run?.runId === runId && isListenedTo(agent));
  if (!speaks) return;
  patchAgent(turn, name, { pulse: { since: turn.now.mono, heard: true, doubtedAt: null } });
}

/**
 * Monotonic instant at which the agent's silence has lasted too long; null where nobody listens to it. The first word may take as
 * long as starting up may.
 */
export function hangsAt(agent: AgentState): number | null {
  const { heartbeat, startupMs } = agent.policy;
  const { since, heard, doubtedAt } = agent.pulse;
  if (heartbeat === null || since === null || !isListenedTo(agent)) return null;
  if (doubtedAt !== null) return doubtedAt + doubtMs;
  return since + (heard ? heartbeat.silenceMs : Math.max(heartbeat.silenceMs, startupMs));
}

/** Whether the agent has said that it is alive, or need not say so here. */
export function isHeard({ policy, pulse }: AgentState): boolean {
  return policy.heartbeat?.through !== "http" || pulse.heard;
}

export function onSilence(turn: Turn, name: string, dueAt: number): void {
  const agent = agentOf(turn, name);
  if (agent?.run == null || agent.policy.heartbeat === null || agent.pulse.since === null) return;
  const { mono } = turn.now;
  if (mono - dueAt > sleptThroughMs) {
    patchAgent(turn, name, { pulse: { ...agent.pulse, since: mono, doubtedAt: null } });
    return;
  }
  if (agent.pulse.doubtedAt === null) {
    patchAgent(turn, name, { pulse: { ...agent.pulse, doubtedAt: mono } });
    return;
  }
  bookFailure(turn, name, {
    cause: "hang",
    fault: "own",
    action: "agent.hang",
    run: agent.run.runId,
    details: {
      silentMs: mono - agent.pulse.since,
      limitMs: agent.policy.heartbeat.silenceMs,
      heardBefore: agent.pulse.heard,
      uptimeMs: mono - agent.run.started.mono,
    },
  });
  beginStop(turn, name, "recover", "its heartbeat has stopped");
}

function isListenedTo({ policy, phase }: AgentState): boolean {
  return policy.heartbeat?.through === "http" && (phase === "verifying" || phase === "healthy");
}
