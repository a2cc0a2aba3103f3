import type { Run } from "../ports.ts";
import { orderEarlier } from "./escalation.ts";
import type { Event } from "./events.ts";
import { converge } from "./generation.ts";
import { judgedAnew } from "./probation.ts";
import { orderRollback, underWay } from "./rollback.ts";
import { afterStop, meetStray, onExited, onStartLost, strayIsGone } from "./runs.ts";
import { followPerson, settleSwitch } from "./standstill.ts";
import { askStop, beginVerifying, stopStray } from "./start-stop.ts";
import { type AgentState, type GenerationState, nothingSeen, unlessByPerson } from "./state.ts";
import { agentOf, patch, patchAgent, type Turn } from "./turn.ts";
import { noProbe, noPulse, noWork } from "./watched.ts";

type Survey = Extract<Event, { type: "runs" }>;

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
    // egressd is asked anew.
    upstreamsDown: {},
    provenSince: null,
    generation: rebooted ? sinceBoot(turn.state.generation) : turn.state.generation,
    promotion: judgedAnew(turn.state),
    promotionFailures: 0,
    rollback: turn.state.rollback === null ? null : underWay(turn.state.rollback),
  });
  for (const [name, agent] of Object.entries(turn.state.agents)) {
    patchAgent(turn, name, {
      ...nothingSeen,
      probe: { ...noProbe, nextAt: agent.run === null ? null : turn.now.mono },
      pulse: { ...noPulse, since: agent.run === null ? null : turn.now.mono },
      work: { ...noWork, since: agent.run === null ? null : turn.now.mono },
      // Dependencies are asked anew.
      lacking: {},
      phase: agent.phase === "healthy" ? "verifying" : agent.phase,
      strays: agent.strays.map((stray) => ({ ...stray, asked: false })),
      ...(rebooted ? afterReboot(turn, agent) : {}),
    });
  }
}

/** All that happens in this boot happens after a switch of an earlier one. */
function sinceBoot(generation: GenerationState | null): GenerationState | null {
  return generation === null ? null : { ...generation, activated: { ...generation.activated, mono: 0 } };
}

/** Nothing survives a reboot but what was learned: the monotonic clock starts anew, so intervals cannot be carried over. */
function afterReboot(turn: Turn, agent: AgentState): Partial<AgentState> {
  const idle = agent.phase === "completed" || agent.phase === "failed";
  return {
    phase: idle ? agent.phase : "stopped",
    stoppedBy: unlessByPerson(agent.stoppedBy),
    run: null,
    startingRun: null,
    endedRun: null,
    strays: [],
    afterStop: null,
    restartAt: null,
    turnSince: null,
    failures: [],
    evidence: [],
    outsideFaults: [],
    preempted: [],
    ownRestarts: [],
    reached: {},
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
export function onSurvey(turn: Turn, event: Survey): void {
  const first = !turn.state.surveyed;
  // Without a generation every run would be a stranger: somebody's agents are not stopped because a file cannot be read.
  if (turn.state.generation === null && !turn.state.draining && event.runs.length > 0) return;
  const alive = new Set(event.runs.map((run) => run.runId));
  const orphaned = new Set(first ? stopping(turn) : []);
  const miss = (name: string) => missRun(turn, name, alive, event.takenAt, orphaned.has(name));
  // What is over must not stand in the way of what somebody has started in its place.
  if (first) for (const name of Object.keys(turn.state.agents)) miss(name);
  patch(turn, { surveyed: true });
  settleSwitch(turn);
  followPerson(turn, event.stopped);
  for (const run of first ? bestFirst(turn, event.runs) : event.runs)
    meetRun(turn, run, event.takenAt, first);
  for (const name of Object.keys(turn.state.agents)) {
    if (first) missStart(turn, name);
    else miss(name);
  }
  for (const name of Object.keys(turn.state.agents)) {
    missStrays(turn, name, alive);
  }
  for (const name of Object.keys(turn.state.agents)) {
    converge(turn, name);
  }
  if (first && turn.state.rollback !== null) orderRollback(turn, turn.state.rollback);
  if (first) for (const name of Object.keys(turn.state.agents)) orderEarlier(turn, name);
}

function stopping(turn: Turn): readonly string[] {
  return Object.entries(turn.state.agents).flatMap(([name, { phase, afterStop }]) =>
    phase === "stopping" && afterStop !== "outside" ? [name] : [],
  );
}

/** Of several runs of an agent the one to keep comes first: one that is what is wanted, then the one that was asked for. */
function bestFirst(turn: Turn, runs: readonly Run[]): readonly Run[] {
  const worth = ({ agent: name, runId, digest }: Run) => {
    const agent = agentOf(turn, name);
    return (agent?.policy.digest === digest ? 2 : 0) + (agent?.startingRun?.runId === runId ? 1 : 0);
  };
  return runs.toSorted((a, b) => worth(b) - worth(a));
}

function meetRun(turn: Turn, run: Run, takenAt: number, first: boolean): void {
  const agent = agentOf(turn, run.agent);
  if (agent?.run?.runId === run.runId) return;
  if (agent?.endedRun?.runId === run.runId && takenAt <= agent.endedRun.at) return;
  const stray = agent?.strays.find(({ runId }) => runId === run.runId);
  if (stray?.asked === true) return;
  const expected = agent?.startingRun?.runId === run.runId;
  const usable =
    agent?.declared === true && agent.policy.digest === run.digest && isVacant(agent, run, takenAt, first);
  if (stray !== undefined) stopStray(turn, run.agent, run.runId);
  else if (expected || usable) beginVerifying(turn, run.agent, run, first || !expected);
  else meetStray(turn, run);
}

/**
 * Whether a run that nobody here has asked for may be the agent's own: a person has started it by hand, or systemd as the
 * safety net. Another watchd's start may still be in the books when this one comes up.
 */
function isVacant(
  { run, endedRun, ...agent }: AgentState,
  found: Run,
  takenAt: number,
  first: boolean,
): boolean {
  if (run !== null || agent.stoppedBy === "person" || agent.strays.length > 0) return false;
  if (first) return true;
  const fresh = endedRun === null || (endedRun.at < takenAt && endedRun.runId !== found.runId);
  return agent.startingRun === null && fresh;
}

/** A stray whose stop is on its way ends with the answer to it; one whose stop had failed may have gone by itself. */
function missStrays(turn: Turn, name: string, alive: ReadonlySet<string>): void {
  for (const { runId, asked } of agentOf(turn, name)?.strays ?? []) {
    if (!asked && !alive.has(runId)) strayIsGone(turn, name, runId);
  }
}

/** @param orphaned its stop was asked for by an earlier watchd, which cannot hear the answer any more */
function missRun(
  turn: Turn,
  name: string,
  alive: ReadonlySet<string>,
  takenAt: number,
  orphaned: boolean,
): void {
  const agent = agentOf(turn, name);
  if (agent?.run == null) return;
  const gone = !alive.has(agent.run.runId);
  if (agent.phase !== "stopping" || agent.afterStop === "outside") {
    // A list that was begun before the run was known says nothing about it.
    if (gone && agent.run.knownAt < takenAt) missExit(turn, name, agent.run.runId);
  } else if (orphaned && gone) {
    afterStop(turn, name);
  } else if (orphaned) {
    askStop(turn, name, "its stop was under way when watchd ended");
  }
}

/** It has ended, and nobody saw when or how. */
function missExit(turn: Turn, agent: string, runId: string): void {
  onExited(turn, { agent, runId, cause: { kind: "unknown" }, at: turn.now.mono });
}

/** A start that an earlier watchd had asked for, and that has left nothing behind. */
function missStart(turn: Turn, name: string): void {
  const runId = agentOf(turn, name)?.startingRun?.runId;
  if (runId !== undefined) onStartLost(turn, name, runId);
}
