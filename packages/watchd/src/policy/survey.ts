import type { Run } from "../ports.ts";
import type { Event } from "./events.ts";
import { converge } from "./generation.ts";
import { afterStop, onExited, stopStranger } from "./runs.ts";
import { beginVerifying } from "./start-stop.ts";
import { type AgentState, noProbe } from "./state.ts";
import { agentOf, patch, patchAgent, type Turn } from "./turn.ts";

/**
 * watchd has come up. What was under way is not trusted but found out again: probing begins anew, a closure is verified
 * again, and starts and stops wait for the first survey.
 */
export function onBoot(turn: Turn, bootId: string): void {
  const rebooted = turn.state.bootId !== bootId;
  patch(turn, {
    bootId,
    surveyed: false,
    draining: false,
    provenSince: null,
    promotion: turn.state.promotion === "verifying" ? "pending" : turn.state.promotion,
  });
  for (const [name, agent] of Object.entries(turn.state.agents)) {
    patchAgent(turn, name, {
      probe: { ...noProbe, nextAt: agent.run === null ? null : turn.now.mono },
      phase: agent.phase === "healthy" ? "verifying" : agent.phase,
      ...(rebooted ? afterReboot(turn, agent) : {}),
    });
  }
}

/** Nothing survives a reboot but what was learned: the monotonic clock starts anew, so intervals cannot be carried over. */
function afterReboot(turn: Turn, agent: AgentState): Partial<AgentState> {
  const idle = agent.phase === "completed" || agent.phase === "failed";
  return {
    phase: idle ? agent.phase : "stopped",
    run: null,
    startingRun: null,
    afterStop: null,
    restartAt: null,
    failures: [],
    incident:
      agent.incident === null
        ? null
        : { ...agent.incident, since: { ...agent.incident.since, mono: turn.now.mono } },
  };
}

/**
 * Compares what is alive with what should be. Events are hints that can be lost; this is where whatever was missed is
 * made good, at boot and from then on by the clock.
 */
export function onSurvey(turn: Turn, event: Extract<Event, { type: "runs" }>): void {
  const first = !turn.state.surveyed;
  patch(turn, { surveyed: true });
  for (const run of event.runs) meetRun(turn, run, first);
  const alive = new Set(event.runs.map((run) => run.runId));
  for (const [name, agent] of Object.entries(turn.state.agents)) {
    if (agent.run !== null) missRun(turn, name, agent, alive, event.takenAt, first);
    else if (first && agent.phase === "starting")
      patchAgent(turn, name, { startingRun: null, phase: "stopped" });
  }
  if (!first) return;
  for (const name of Object.keys(turn.state.agents)) {
    converge(turn, name, false);
  }
  if (turn.state.rollback !== null) {
    const { id, from, target } = turn.state.rollback;
    turn.commands.push({ type: "rollback", id, from, target });
  }
}

function meetRun(turn: Turn, run: Run, first: boolean): void {
  const agent = agentOf(turn, run.agent);
  if (agent?.endedRun === run.runId || agent?.run?.runId === run.runId) return;
  const expected = agent?.run === null && (first || agent.startingRun?.runId === run.runId);
  if (expected) beginVerifying(turn, run.agent, run, first);
  else stopStranger(turn, run);
}

function missRun(
  turn: Turn,
  name: string,
  agent: AgentState,
  alive: ReadonlySet<string>,
  takenAt: number,
  first: boolean,
): void {
  if (agent.run === null) return;
  const gone = !alive.has(agent.run.runId);
  if (agent.phase !== "stopping") {
    // A list that was begun before the run was there says nothing about it.
    if (gone && agent.run.started.mono < takenAt) onExited(turn, name, agent.run.runId, { kind: "unknown" });
  } else if (first && gone) {
    afterStop(turn, name, agent);
  } else if (first) {
    turn.commands.push({ type: "stop", agent: name, runId: agent.run.runId, policy: agent.policy.stop });
  }
}
