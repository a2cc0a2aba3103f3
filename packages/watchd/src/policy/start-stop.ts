import type { Run } from "../ports.ts";
import { noProbe, type RunState } from "./state.ts";
import { agentOf, freshId, patchAgent, record, type Turn } from "./turn.ts";

/** Probes of an unproven run come at this interval at first, doubling up to `slowestProbeMs` or the declared one. */
export const firstProbeMs = 5;
const slowestProbeMs = 250;

export function beginStart(turn: Turn, name: string): void {
  if (turn.state.draining) {
    patchAgent(turn, name, { phase: "stopped", restartAt: null });
    return;
  }
  const runId = freshId(turn, "run");
  const digest = agentOf(turn, name)?.policy.digest ?? "";
  const agent = patchAgent(turn, name, {
    phase: "starting",
    startingRun: { runId, digest },
    restartAt: null,
    probe: noProbe,
    waitsFor: null,
  });
  turn.commands.push({ type: "start", agent: name, runId, digest });
  record(turn, {
    action: "agent.start",
    subject: name,
    incident: agent.incident?.id,
    run: runId,
    details: { digest, generation: turn.state.generation?.number ?? null },
  });
}

export function beginStop(
  turn: Turn,
  name: string,
  then: "recover" | "replace" | "remove",
  why: string,
): void {
  const agent = agentOf(turn, name);
  if (agent?.run == null) throw new Error(`${name} has no run to stop`);
  patchAgent(turn, name, { phase: "stopping", afterStop: then, restartAt: null, probe: noProbe });
  turn.commands.push({ type: "stop", agent: name, runId: agent.run.runId, policy: agent.policy.stop });
  record(turn, {
    action: "agent.stop",
    subject: name,
    incident: agent.incident?.id,
    run: agent.run.runId,
    details: { why, signal: agent.policy.stop.signal, graceMs: agent.policy.stop.graceMs },
  });
}

/** The run exists: now it has to prove itself. */
export function beginVerifying(turn: Turn, name: string, run: Run, adopted: boolean): void {
  const agent = patchAgent(turn, name, {
    phase: "verifying",
    run: runStateOf(turn, run),
    startingRun: null,
    restartAt: null,
    probe: { ...noProbe, nextAt: turn.now.mono + (adopted ? 0 : firstProbeMs) },
  });
  if (adopted) {
    record(turn, {
      action: "agent.adopt",
      subject: name,
      incident: agent.incident?.id,
      run: run.runId,
      details: { pid: run.pid, digest: run.digest },
    });
  }
  if (run.digest !== agent.policy.digest)
    beginStop(turn, name, "replace", "another definition is wanted by now");
}

function runStateOf(turn: Turn, run: Run): RunState {
  const ageMs = Math.max(0, turn.now.wall - run.startedAt);
  return {
    runId: run.runId,
    digest: run.digest,
    started: { mono: turn.now.mono - ageMs, wall: run.startedAt },
    served: null,
  };
}

/** Delay before the next probe of a run that has not proven itself; `sent` probes have gone out. */
export function acceleratedDelay(sent: number, everyMs: number): number {
  return Math.min(firstProbeMs * 2 ** Math.min(sent, 16), slowestProbeMs, everyMs);
}
