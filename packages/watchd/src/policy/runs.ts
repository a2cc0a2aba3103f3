import type { ExitCause, Run } from "../ports.ts";
import type { Event } from "./events.ts";
import { bookFailure, recover, temporaryFailure } from "./failure.ts";
import { beginStart, beginStop, beginVerifying } from "./start-stop.ts";
import type { AgentState } from "./state.ts";
import { agentOf, patchAgent, record, removeAgent, type Turn } from "./turn.ts";

export function onStarted(turn: Turn, run: Run): void {
  const agent = agentOf(turn, run.agent);
  if (agent?.run?.runId === run.runId || agent?.endedRun === run.runId) return;
  if (agent?.startingRun?.runId === run.runId) beginVerifying(turn, run.agent, run, false);
  else stopStranger(turn, run);
}

export function onStartFailed(turn: Turn, event: Extract<Event, { type: "start-failed" }>): void {
  const starting = agentOf(turn, event.agent)?.startingRun;
  if (starting?.runId !== event.runId) return;
  const agent = patchAgent(turn, event.agent, { startingRun: null, endedRun: event.runId });
  if (starting.digest !== agent.policy.digest) {
    // A switch came in between: what failed is not wanted any more and says nothing about what is.
    beginStart(turn, event.agent);
    return;
  }
  bookFailure(turn, event.agent, {
    cause: "start-failed",
    action: "agent.start-failed",
    run: event.runId,
    details: { code: event.code, message: event.message },
  });
  recover(turn, event.agent);
}

export function onExited(turn: Turn, name: string, runId: string, cause: ExitCause): void {
  const agent = agentOf(turn, name);
  if (agent === undefined) return;
  if (agent.startingRun?.runId === runId) {
    // The process was there and gone before its start was reported.
    const { digest } = agent.startingRun;
    patchAgent(turn, name, { startingRun: null, endedRun: runId });
    if (digest !== agent.policy.digest) beginStart(turn, name);
    else settleExit(turn, name, agent, runId, cause);
  } else if (agent.run?.runId === runId && agent.phase !== "stopping") {
    patchAgent(turn, name, { run: null, endedRun: runId });
    settleExit(turn, name, agent, runId, cause);
  }
}

function settleExit(turn: Turn, name: string, agent: AgentState, runId: string, cause: ExitCause): void {
  const uptimeMs = agent.run === null ? 0 : Math.max(0, turn.now.mono - agent.run.started.mono);
  const details = { exit: { ...cause }, uptimeMs, phase: agent.phase };
  if (cause.kind === "exit" && cause.code === 0 && agent.policy.restart.when !== "always") {
    patchAgent(turn, name, {
      phase: "completed",
      incident: null,
      provenInGeneration: true,
      held: false,
      externalFaults: 0,
      waitsFor: null,
    });
    record(turn, {
      action: "agent.complete",
      subject: name,
      incident: agent.incident?.id,
      run: runId,
      details,
    });
    return;
  }
  const external = cause.kind === "exit" && cause.code === temporaryFailure;
  bookFailure(turn, name, {
    cause: external ? "dependency" : "crash",
    action: "agent.exit",
    run: runId,
    details,
  });
  recover(turn, name);
}

export function onStopped(turn: Turn, event: Extract<Event, { type: "stopped" }>): void {
  const agent = agentOf(turn, event.agent);
  if (agent?.run?.runId !== event.runId || agent.phase !== "stopping") return;
  record(turn, {
    action: "agent.stopped",
    subject: event.agent,
    incident: agent.incident?.id,
    run: event.runId,
    details: { forced: event.forced },
  });
  afterStop(turn, event.agent, agent);
}

export function afterStop(turn: Turn, name: string, agent: AgentState): void {
  patchAgent(turn, name, {
    run: null,
    endedRun: agent.run?.runId ?? agent.endedRun,
    afterStop: null,
    phase: "stopped",
  });
  if (agent.afterStop === "remove") removeAgent(turn, name);
  else if (turn.state.draining) return;
  else if (agent.afterStop === "recover") recover(turn, name);
  else beginStart(turn, name);
}

/** Milliseconds after which a stop that could not be carried out is asked for again. */
const stopAgainMs = 1_000;

export function onStopFailed(turn: Turn, event: Extract<Event, { type: "stop-failed" }>): void {
  record(turn, {
    action: "agent.stop-failed",
    subject: event.agent,
    run: event.runId,
    severity: "critical",
    details: { message: event.message },
  });
  const agent = agentOf(turn, event.agent);
  if (agent?.phase !== "stopping" || agent.run?.runId !== event.runId) return;
  patchAgent(turn, event.agent, { restartAt: turn.now.mono + stopAgainMs });
}

export function onMemory(turn: Turn, name: string, runId: string, bytes: number): void {
  const agent = agentOf(turn, name);
  const limit = agent?.policy.limits.memoryBytes ?? null;
  if (agent?.run?.runId !== runId || agent.phase === "stopping" || limit === null || bytes <= limit) return;
  bookFailure(turn, name, {
    cause: "memory",
    action: "agent.over-memory",
    run: runId,
    details: { bytes, limitBytes: limit },
  });
  beginStop(turn, name, "recover", "it uses more memory than its limit");
}

/** A run that nobody wants: of an agent that is gone, or a second one. Two of a kind corrupt data, so it goes at once. */
export function stopStranger(turn: Turn, run: Run): void {
  const policy = agentOf(turn, run.agent)?.policy.stop ?? { signal: "SIGTERM", graceMs: 10_000 };
  turn.commands.push({ type: "stop", agent: run.agent, runId: run.runId, policy });
  record(turn, {
    action: "agent.stop",
    subject: run.agent,
    run: run.runId,
    severity: "warning",
    details: { why: "this run is not wanted", signal: policy.signal, graceMs: policy.graceMs },
  });
}
