import { converge } from "./generation.ts";
import { firstOfAll } from "./restart-turns.ts";
import type { AgentState, State } from "./state.ts";
import { agentOf, patch, patchAgent, record, type Turn } from "./turn.ts";
import { noProbe } from "./watched.ts";

/*
 * Agents that are declared and are not to run all the same, because somebody stopped them. A person's word is kept on disk
 * (`ServiceManager.stopped`) and reaches the core with every survey; a stop behind our back is seen as the end of a run.
 */

/**
 * Brings the core's idea of what a person has stopped in line with what is kept on disk. What follows from it is for the
 * caller to bring about (`converge`): at the first survey other things have to be settled before.
 */
export function followPerson(turn: Turn, stopped: readonly string[]): void {
  if (stopped.join() !== turn.state.stopped.join()) patch(turn, { stopped });
  const wanted = new Set(stopped);
  for (const name of Object.keys(turn.state.agents)) {
    const by = agentOf(turn, name)?.stoppedBy;
    if (wanted.has(name) && by !== "person") rest(turn, name);
    else if (!wanted.has(name) && by === "person") release(turn, name);
  }
}

/** A person has stopped it: whatever was being recovered is settled by that. */
function rest(turn: Turn, name: string): void {
  const before = agentOf(turn, name);
  const incident = before?.incident;
  patchAgent(turn, name, {
    stoppedBy: "person",
    incident: null,
    held: false,
    waitsFor: null,
    // If the person starts it again before the stop is through, there is nothing left to recover from.
    ...(before?.afterStop === "recover" ? { afterStop: "replace" } : {}),
  });
  record(turn, {
    action: "agent.stopped-by-person",
    subject: name,
    incident: incident?.id,
    severity: "warning",
    details: { phase: agentOf(turn, name)?.phase ?? "stopped" },
  });
}

function release(turn: Turn, name: string): void {
  patchAgent(turn, name, { stoppedBy: null, turnSince: firstOfAll });
  record(turn, { action: "agent.released", subject: name });
}

/** A person wants it to run now: it was stopped, had ended for good, or waits for its next try. */
export function onOperatorStart(turn: Turn, name: string): void {
  if (turn.state.stopped.includes(name))
    patch(turn, { stopped: turn.state.stopped.filter((each) => each !== name) });
  const agent = agentOf(turn, name);
  if (agent?.declared !== true) return;
  const waits = agent.phase === "backoff" && agent.restartAt !== null;
  const idle = waits || agent.phase === "completed" || agent.phase === "failed";
  if (idle) patchAgent(turn, name, { phase: "stopped", restartAt: null });
  if (!idle && agent.stoppedBy === null) return;
  release(turn, name);
  converge(turn, name);
}

/** Whoever stops it may take its whole grace time for that, in which nobody may ask whether it is healthy. */
export function onStopAsked(turn: Turn, name: string, runId: string): void {
  const agent = agentOf(turn, name);
  if (agent?.run?.runId !== runId || agent.phase === "stopping") return;
  patchAgent(turn, name, {
    phase: "stopping",
    afterStop: "outside",
    restartAt: null,
    waitsFor: null,
    probe: noProbe,
    pending: null,
  });
}

/**
 * Its run was stopped on purpose, and not by us. In mid-switch that is what a switch does with an agent that it changes, and
 * the end of the switch settles it. Otherwise a person did it by hand: it stays so until they start it by hand.
 */
export function onStoppedOutside(
  turn: Turn,
  name: string,
  before: AgentState,
  runId: string,
  inSwitch: boolean,
): void {
  const stoppedBy = before.stoppedBy === "person" ? "person" : inSwitch ? "switch" : "outside";
  patchAgent(turn, name, { phase: "stopped", stoppedBy, restartAt: null, waitsFor: null });
  const uptimeMs = before.run === null ? 0 : Math.max(0, turn.now.mono - before.run.started.mono);
  record(turn, {
    action: "agent.stopped-outside",
    subject: name,
    incident: before.incident?.id,
    run: runId,
    details: { uptimeMs, phase: before.phase, inSwitch },
  });
}

/** Nothing is told to the core in mid-switch, so what a switch has stopped and not started again was left so by accident. */
export function settleSwitch(turn: Turn): void {
  for (const [name, { stoppedBy }] of Object.entries(turn.state.agents))
    if (stoppedBy === "switch") patchAgent(turn, name, { stoppedBy: null });
}

/** Without watchd, the system has gone back from a generation in which watchd could not stay up: it is not trusted again. */
export function onLeftWithoutWatchd(
  turn: Turn,
  left: { readonly from: string; readonly number: number; readonly incident: string },
): void {
  const { from: path, number, incident } = left;
  // Told twice, it has happened once.
  if (turn.state.quarantine.some((entry) => entry.incident === incident)) return;
  const spent = turn.state.spentBudget[path] ?? 0;
  const quarantine: State["quarantine"] = [
    ...turn.state.quarantine.filter((entry) => entry.path !== path),
    { path, number, agent: "watchd", digest: "", incident, at: turn.now.wall },
  ];
  patch(turn, { quarantine, spentBudget: { ...turn.state.spentBudget, [path]: spent + 1 } });
  record(turn, {
    action: "generation.quarantine",
    subject: path,
    incident,
    severity: "warning",
    details: { agent: "watchd", digest: "" },
  });
}
