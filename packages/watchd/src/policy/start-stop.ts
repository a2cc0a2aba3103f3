import type { Run } from "../ports.ts";
import { turnFor } from "./restart-turns.ts";
import { type AgentState, nothingSeen, type RunState, type StandIn, unlessByPerson } from "./state.ts";
import { agentOf, freshId, patchAgent, record, removeAgent, type Turn } from "./turn.ts";
import { noProbe, noPulse, noWork } from "./watched.ts";

/** Probes of an unproven run come at this interval at first, doubling up to `slowestProbeMs` or the declared one. */
export const firstProbeMs = 5;
const slowestProbeMs = 250;

/** Starts the agent, unless something stands in the way: then it stays `stopped`, and `converge` starts it in time. */
export function beginStart(turn: Turn, name: string): void {
  const before = agentOf(turn, name);
  if (before?.run !== null || before.startingRun !== null)
    throw new Error(`${name} has a run or will have one`);
  const barred = turn.state.draining || before.stoppedBy !== null || before.strays.length > 0;
  if (!turn.state.surveyed || barred) {
    patchAgent(turn, name, { phase: "stopped", restartAt: null });
    return;
  }
  const waitMs = turnFor(turn, name, before);
  if (waitMs > 0) {
    const turnSince = before.turnSince ?? turn.now.mono;
    patchAgent(turn, name, { phase: "backoff", restartAt: turn.now.mono + waitMs, turnSince });
    return;
  }
  const runId = freshId(turn, "run");
  const { digest } = before.policy;
  const agent = patchAgent(turn, name, {
    phase: "starting",
    startingRun: { runId, digest, askedAt: turn.now.mono },
    restartAt: null,
    turnSince: null,
    awaitsWord: false,
    ...nothingSeen,
    misconfigured: false,
    waitsFor: null,
  });
  turn.commands.push({ type: "start", agent: name, runId, digest, ...standInOf(agent) });
  record(turn, {
    action: "agent.start",
    subject: name,
    incident: agent.incident?.id,
    run: runId,
    details: { digest, generation: turn.state.generation?.number ?? null },
  });
}

function standInOf({ standIn }: AgentState): { standIn?: Pick<StandIn, "kind" | "generation"> } {
  return standIn === null ? {} : { standIn: { kind: standIn.kind, generation: standIn.generation } };
}

export function beginStop(
  turn: Turn,
  name: string,
  then: "recover" | "replace" | "remove",
  why: string,
): void {
  patchAgent(turn, name, {
    phase: "stopping",
    afterStop: then,
    failedStops: 0,
    probe: noProbe,
    pending: null,
  });
  askStop(turn, name, why);
}

/** Asks for the stop of the agent's run, for the first time or again. */
export function askStop(turn: Turn, name: string, why: string): void {
  const agent = patchAgent(turn, name, { restartAt: null });
  if (agent.run === null) throw new Error(`${name} has no run to stop`);
  orderStop(turn, name, agent, agent.run.runId, why);
}

/** A further run of the agent: two of a kind corrupt data, so it goes at once. */
export function stopStray(turn: Turn, name: string, runId: string): void {
  const agent = agentOf(turn, name);
  if (agent === undefined) return;
  const others = agent.strays.filter((stray) => stray.runId !== runId);
  patchAgent(turn, name, { strays: [...others, { runId, asked: true }] });
  orderStop(turn, name, agent, runId, "this run is not wanted");
}

function orderStop(turn: Turn, name: string, agent: AgentState, runId: string, why: string): void {
  const policy = agent.policy.stop;
  turn.commands.push({ type: "stop", agent: name, runId, policy });
  record(turn, {
    action: "agent.stop",
    subject: name,
    incident: agent.incident?.id,
    run: runId,
    details: { why, signal: policy.signal, graceMs: policy.graceMs },
  });
}

/** The generation does not have this agent any more: it is stopped, and forgotten once nothing of it is left. */
export function retire(turn: Turn, name: string): void {
  const agent = agentOf(turn, name);
  if (agent === undefined || agent.phase === "stopping") return;
  if (agent.run !== null) beginStop(turn, name, "remove", notDeclared);
  else if (agent.startingRun === null && agent.strays.length === 0) removeAgent(turn, name);
  else if (agent.startingRun === null) patchAgent(turn, name, { phase: "stopped", restartAt: null });
}

const notDeclared = "this generation does not have it";
export const byPerson = "a person has stopped it";

/** The run exists: now it has to prove itself, if it is still wanted at all. */
export function beginVerifying(turn: Turn, name: string, run: Run, adopted: boolean): void {
  const before = agentOf(turn, name);
  const asked = before?.startingRun?.runId === run.runId ? before.startingRun.askedAt : null;
  const agent = patchAgent(turn, name, {
    phase: "verifying",
    stoppedBy: unlessByPerson(before?.stoppedBy ?? null),
    run: runStateOf(turn, run, asked),
    startingRun: null,
    restartAt: null,
    misconfigured: false,
    ...nothingSeen,
    probe: { ...noProbe, nextAt: turn.now.mono + (adopted ? 0 : firstProbeMs) },
    pulse: { ...noPulse, since: turn.now.mono, heard: asked !== null && before?.pulse.heard === true },
    work: { ...(asked === null ? noWork : (before?.work ?? noWork)), since: turn.now.mono },
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
  if (!agent.declared) beginStop(turn, name, "remove", notDeclared);
  else if (turn.state.draining) beginStop(turn, name, "replace", "everything is being stopped");
  else if (agent.stoppedBy === "person") beginStop(turn, name, "replace", byPerson);
  else if (run.digest !== agent.policy.digest)
    beginStop(turn, name, "replace", "another definition is wanted by now");
}

/**
 * When the run began, on the clock that nobody sets. By the wall clock it is only guessed: a guess from before its start
 * was asked for shows that the clock was set. Then, and for a run that somebody else began, it counts from now: rather too
 * long a grace than too short a one.
 */
function runStateOf(turn: Turn, run: Run, askedAt: number | null): RunState {
  const { mono, wall } = turn.now;
  const guess = mono - Math.max(0, wall - run.startedAt);
  const plausible = askedAt !== null && guess >= askedAt;
  return {
    runId: run.runId,
    digest: run.digest,
    started: { mono: plausible ? guess : mono, wall: run.startedAt },
    knownAt: mono,
    served: null,
  };
}

/** Delay before the next probe of a run that has not proven itself; `sent` probes have gone out. */
export function acceleratedDelay(sent: number, everyMs: number): number {
  return Math.min(firstProbeMs * 2 ** Math.min(sent, 16), slowestProbeMs, everyMs);
}
