import type { Run, RunExit } from "../ports.ts";
import { raiseAlert } from "./alerting.ts";
import { blameFor, isOperatorsKill, meaningOf } from "./ends.ts";
import type { Event } from "./events.ts";
import { bookFailure, isBeforeSwitch, recover } from "./failure.ts";
import { converge } from "./generation.ts";
import { onStoppedOutside } from "./standstill.ts";
import { beginStart, beginVerifying, retire, stopStray } from "./start-stop.ts";
import { type AgentPolicy, type AgentState, initialAgent } from "./state.ts";
import { agentOf, patchAgent, record, setAgent, type Turn } from "./turn.ts";

export function onStarted(turn: Turn, run: Run): void {
  const agent = agentOf(turn, run.agent);
  if (agent?.run?.runId === run.runId || agent?.endedRun?.runId === run.runId) return;
  if (agent?.startingRun?.runId === run.runId) beginVerifying(turn, run.agent, run, false);
  else meetStray(turn, run);
}

export function onStartFailed(turn: Turn, event: Extract<Event, { type: "start-failed" }>): void {
  const digest = forgetRun(turn, event.agent, event.runId);
  if (digest === null || !isStillWanted(turn, event.agent, digest)) return;
  bookFailure(turn, event.agent, {
    cause: "start-failed",
    fault: isOwnFault(turn, event) ? "own" : "unknown",
    action: "agent.start-failed",
    run: event.runId,
    details: { code: event.code, message: event.message },
  });
  recover(turn, event.agent);
}

/**
 * What could be started in this generation and now cannot has lost something around it: a port, a file, a disk. And what we
 * refused to start ourselves has not failed.
 */
function isOwnFault(turn: Turn, { agent, code }: Extract<Event, { type: "start-failed" }>): boolean {
  return agentOf(turn, agent)?.provenInGeneration !== true && !code.startsWith("WATCHD_E_");
}

export function onExited(turn: Turn, exit: RunExit): void {
  const { agent: name, runId, cause } = exit;
  const before = agentOf(turn, name);
  const digest = forgetRun(turn, name, runId);
  if (before === undefined || digest === null || !isStillWanted(turn, name, digest)) return;
  const stopped = cause.kind === "stopped" ? cause.inSwitch : before.afterStop === "outside" ? false : null;
  if (stopped !== null) onStoppedOutside(turn, name, before, runId, stopped);
  else settleExit(turn, before, exit);
}

/** A start that an earlier watchd had asked for has left nothing behind: it was never carried out, or it died unseen. */
export function onStartLost(turn: Turn, name: string, runId: string): void {
  const digest = forgetRun(turn, name, runId);
  if (digest === null || !isStillWanted(turn, name, digest)) return;
  bookFailure(turn, name, {
    cause: "start-failed",
    fault: "unknown",
    action: "agent.start-lost",
    run: runId,
    details: {},
  });
  recover(turn, name);
}

/**
 * Nothing is left of the run. Returns the digest that it had; null where it is not the agent's run or being stopped, which
 * ends with the answer to the stop. It may also be one that ended before its start was reported.
 */
function forgetRun(turn: Turn, name: string, runId: string): string | null {
  const agent = agentOf(turn, name);
  if (agent === undefined || (agent.phase === "stopping" && agent.afterStop !== "outside")) return null;
  const run = agent.run?.runId === runId ? agent.run : agent.startingRun;
  if (run?.runId !== runId) return null;
  patchAgent(turn, name, {
    run: null,
    startingRun: null,
    afterStop: null,
    endedRun: { runId, at: turn.now.mono },
    ...(agent.phase === "stopping" ? { phase: "stopped" } : {}),
  });
  return run.digest;
}

/** Where a switch came in between, the end of what ran before says nothing about what is wanted now. */
function isStillWanted(turn: Turn, name: string, digest: string): boolean {
  const agent = agentOf(turn, name);
  if (agent === undefined) return false;
  if (!agent.declared) retire(turn, name);
  else if (agent.policy.digest !== digest) beginStart(turn, name);
  else return true;
  return false;
}

function settleExit(turn: Turn, before: AgentState, { agent: name, runId, cause, at }: RunExit): void {
  const uptimeMs = before.run === null ? 0 : Math.max(0, at - before.run.started.mono);
  const meaning = meaningOf(before, cause, at);
  const details = { exit: { ...cause }, uptimeMs, phase: before.phase };
  if (meaning === "success" && before.policy.restart.when !== "always") {
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
      incident: before.incident?.id,
      run: runId,
      details,
    });
    return;
  }
  const runKnownAt = before.run?.knownAt ?? before.startingRun?.askedAt ?? at;
  // What it reads on the host may be what the switch has changed.
  const misconfigured = meaning === "configuration" && !isBeforeSwitch(turn, at);
  patchAgent(turn, name, { misconfigured });
  const blame = blameFor(cause, meaning, isOperatorsKill(turn.state, before, cause, at));
  bookFailure(turn, name, { ...blame, action: "agent.exit", run: runId, details, heard: { at, runKnownAt } });
  recover(turn, name);
}

export function onStopped(turn: Turn, event: Extract<Event, { type: "stopped" }>): void {
  const agent = agentOf(turn, event.agent);
  const own = agent?.run?.runId === event.runId && agent.phase === "stopping";
  const stray = agent?.strays.some(({ runId }) => runId === event.runId) === true;
  if (agent === undefined || (!own && !stray)) return;
  record(turn, {
    action: "agent.stopped",
    subject: event.agent,
    incident: agent.incident?.id,
    run: event.runId,
    details: { forced: event.forced },
  });
  if (own) afterStop(turn, event.agent);
  else strayIsGone(turn, event.agent, event.runId);
}

/** Nothing is left of the run that was to be stopped. What is wanted may have changed since the stop began. */
export function afterStop(turn: Turn, name: string): void {
  const agent = agentOf(turn, name);
  if (agent?.run == null) return;
  const { runId, digest } = agent.run;
  patchAgent(turn, name, {
    run: null,
    endedRun: { runId, at: turn.now.mono },
    afterStop: null,
    restartAt: null,
    phase: "stopped",
  });
  if (!isStillWanted(turn, name, digest)) return;
  if (agent.afterStop === "recover") recover(turn, name);
  else beginStart(turn, name);
}

export function strayIsGone(turn: Turn, name: string, runId: string): void {
  const strays = agentOf(turn, name)?.strays.filter((stray) => stray.runId !== runId) ?? [];
  patchAgent(turn, name, { strays });
  converge(turn, name);
}

/** Milliseconds after which a stop that could not be carried out is asked for again: at first, and at most. */
const stopAgainMs = { first: 1_000, last: 60_000 };

export function onStopFailed(turn: Turn, event: Extract<Event, { type: "stop-failed" }>): void {
  record(turn, {
    action: "agent.stop-failed",
    subject: event.agent,
    run: event.runId,
    severity: "critical",
    details: { message: event.message },
  });
  const agent = agentOf(turn, event.agent);
  if (agent?.phase === "stopping" && agent.run?.runId === event.runId) {
    const delayMs = Math.min(stopAgainMs.first * 2 ** Math.min(agent.failedStops, 16), stopAgainMs.last);
    patchAgent(turn, event.agent, {
      restartAt: turn.now.mono + delayMs,
      failedStops: agent.failedStops + 1,
    });
    if (agent.failedStops === 0) raiseAlert(turn, event.agent, "stuck", "cannot be stopped", [event.message]);
  } else if (agent !== undefined) {
    const strays = agent.strays.map((stray) =>
      stray.runId === event.runId ? { ...stray, asked: false } : stray,
    );
    patchAgent(turn, event.agent, { strays });
  }
}

/** A run that nobody wants: of an agent that is not there, or one more of an agent that is. */
export function meetStray(turn: Turn, run: Run): void {
  if (agentOf(turn, run.agent) === undefined) {
    // It is taken in so that nothing is started in its place, should a deploy bring the agent back, before it is gone.
    setAgent(turn, run.agent, { ...initialAgent(strangerPolicy(run.digest)), declared: false });
  }
  stopStray(turn, run.agent, run.runId);
}

/** For a run of an agent whose definition nobody has any more. */
function strangerPolicy(digest: string): AgentPolicy {
  return {
    digest,
    startupMs: 0,
    health: null,
    heartbeat: null,
    restart: {
      when: "never",
      backoff: { initialMs: 0, factor: 1, maxMs: 0, jitter: 0 },
      attempts: 1,
      withinMs: 0,
    },
    limits: { memoryBytes: null },
    stop: { signal: "SIGTERM", graceMs: 10_000 },
    escalate: [],
    required: false,
  };
}
