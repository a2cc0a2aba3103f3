import type { ProbeOutcome } from "../ports.ts";
import { raiseAlert } from "./alerting.ts";
import { bookFailure } from "./failure.ts";
import { flappingChecks, flaps, missesOf } from "./flapping.ts";
import { noteLatency } from "./preemption.ts";
import { acceleratedDelay, beginStop, firstProbeMs } from "./start-stop.ts";
import type { AgentState } from "./state.ts";
import { agentOf, patchAgent, record, type Turn } from "./turn.ts";

/** Consecutive passing probes that prove a run. One may be luck, or the last answer of a process about to fall. */
export const provingPasses = 2;

export function onProbed(turn: Turn, name: string, runId: string, outcome: ProbeOutcome): void {
  const agent = agentOf(turn, name);
  if (agent?.run?.runId !== runId || agent.policy.health === null || !agent.probe.outstanding) return;
  if (agent.phase !== "verifying" && agent.phase !== "healthy") return;
  if (outcome.ok) {
    onPass(turn, name, agent, agent.policy.health.everyMs);
    if (agent.phase === "healthy") noteLatency(turn, name, outcome.latencyMs);
  } else if (outcome.dependency !== undefined)
    onDependencyDown(turn, name, agent, outcome.dependency, outcome.reason);
  else onMiss(turn, name, agent, outcome.reason);
}

function onPass(turn: Turn, name: string, agent: AgentState, everyMs: number): void {
  const { mono } = turn.now;
  if (agent.phase === "healthy") {
    if (agent.waitsFor !== null) {
      record(turn, {
        action: "dependency.up",
        subject: name,
        run: agent.run?.runId,
        details: { dependency: agent.waitsFor },
      });
    }
    patchAgent(turn, name, {
      waitsFor: null,
      probe: {
        ...agent.probe,
        outstanding: false,
        failing: 0,
        nextAt: mono + everyMs,
        misses: missesOf(agent),
      },
    });
    return;
  }
  const passes = agent.probe.passes + 1;
  const run =
    agent.run === null || agent.run.served !== null ? agent.run : { ...agent.run, served: turn.now };
  patchAgent(turn, name, {
    run,
    probe: {
      ...agent.probe,
      outstanding: false,
      passes,
      failing: 0,
      nextAt: mono + Math.min(firstProbeMs, everyMs),
    },
  });
  if (passes >= provingPasses) becomeHealthy(turn, name);
}

/** The agent has proven itself; if it was being recovered, the incident is over. */
export function becomeHealthy(turn: Turn, name: string): void {
  const agent = agentOf(turn, name);
  if (agent?.run == null) throw new Error(`${name} cannot be healthy without a run`);
  const { incident, run } = agent;
  const { mono } = turn.now;
  patchAgent(turn, name, {
    phase: "healthy",
    incident: null,
    provenInGeneration: true,
    externalFaults: 0,
    held: false,
    waitsFor: null,
    probe: {
      ...agent.probe,
      failing: 0,
      misses: [],
      nextAt: agent.policy.health === null ? null : mono + agent.policy.health.everyMs,
    },
  });
  if (incident === null) {
    record(turn, {
      action: "agent.healthy",
      subject: name,
      run: run.runId,
      details: { afterMs: mono - run.started.mono },
    });
    return;
  }
  record(turn, {
    action: "recovery.verified",
    subject: name,
    incident: incident.id,
    run: run.runId,
    details: {
      cause: incident.cause,
      restarts: incident.restarts,
      rolledBack: incident.rolledBack,
      startedAfterMs: Math.max(0, run.started.mono - incident.since.mono),
      servingAfterMs: run.served === null ? null : Math.max(0, run.served.mono - incident.since.mono),
      verifiedAfterMs: Math.max(0, mono - incident.since.mono),
    },
  });
}

function onMiss(turn: Turn, name: string, agent: AgentState, reason: string): void {
  const health = agent.policy.health;
  if (health === null || agent.run === null) return;
  const { mono } = turn.now;
  // When it was asked counts, not when it failed to answer.
  const askedAt = agent.probe.sentAt ?? mono;
  const excused = agent.phase === "verifying" && askedAt - agent.run.started.mono < agent.policy.startupMs;
  const failing = excused ? 0 : agent.probe.failing + 1;
  const misses = agent.phase === "healthy" ? [...missesOf(agent), agent.probe.sent] : agent.probe.misses;
  const failingSince = failing > 1 ? agent.probe.failingSince : mono;
  const delay =
    agent.phase === "verifying" ? acceleratedDelay(agent.probe.sent, health.everyMs) : health.everyMs;
  patchAgent(turn, name, {
    waitsFor: null,
    probe: {
      ...agent.probe,
      outstanding: false,
      passes: 0,
      failing,
      failingSince,
      nextAt: mono + delay,
      misses,
    },
  });
  const isFlapping = failing < health.failures;
  if (isFlapping && !flaps(misses, health.failures)) return;
  const never = agent.phase === "verifying";
  bookFailure(turn, name, {
    cause: "unhealthy",
    fault: "own",
    action: "agent.unhealthy",
    run: agent.run.runId,
    details: {
      reason,
      failingProbes: failing,
      ...(isFlapping ? { missed: misses.length, ofChecks: flappingChecks(health.failures) } : {}),
      becameHealthy: !never,
      uptimeMs: mono - agent.run.started.mono,
    },
  });
  beginStop(
    turn,
    name,
    "recover",
    never
      ? "it did not become healthy in its start-up time"
      : `its health check fails${isFlapping ? " too often" : ""}`,
  );
}

/** The agent lives and says what it waits for. Restarting it would not help, and no deploy is to blame. */
function onDependencyDown(
  turn: Turn,
  name: string,
  agent: AgentState,
  dependency: string,
  reason: string,
): void {
  const everyMs = agent.policy.health?.everyMs ?? 0;
  patchAgent(turn, name, {
    waitsFor: dependency,
    probe: { ...agent.probe, outstanding: false, passes: 0, failing: 0, nextAt: turn.now.mono + everyMs },
  });
  if (agent.waitsFor === dependency) return;
  record(turn, {
    action: "dependency.down",
    subject: name,
    incident: agent.incident?.id,
    run: agent.run?.runId,
    severity: "warning",
    details: { dependency, reason },
  });
  raiseAlert(turn, name, "outside", `waits for ${dependency}`, [reason]);
}
