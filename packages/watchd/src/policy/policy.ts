/**
 * The judgement of the watchdog: a pure function of what was, what happened and when. It does no I/O, sets no timer and
 * draws no randomness that is not in its state, so that the same story always ends the same way.
 */
import type { Instant } from "../ports.ts";
import { onDependencies } from "./dependencies.ts";
import type { Command, Event, LedgerRecord } from "./events.ts";
import { skipGap } from "./gap.ts";
import { onGeneration, onRollbackDone, onRollbackFailed, onRollbackRefused } from "./generation.ts";
import { onEarlierFound, onEarlierRefused } from "./going-back.ts";
import { becomeHealthy, onProbed } from "./health.ts";
import { hangsAt, isHeard, onBeat, onSilence } from "./heartbeat.ts";
import { onDrain, onOperatorAllow, onOperatorRollback } from "./operator.ts";
import { onReplaceAsked, onRestartAsked } from "./own-restart.ts";
import { onIdle, onPreemptionDue, onUsage, preemptionDue } from "./preemption.ts";
import {
  endProbation,
  onClosureVerified,
  onLedger,
  onPromoted,
  onPromotionFailed,
  onUnseen,
  probationEnds,
  watchProbation,
} from "./probation.ts";
import { onProgress, onStuck, stuckAt } from "./progress.ts";
import { retryRollback } from "./rollback.ts";
import { onExited, onStarted, onStartFailed, onStopFailed, onStopped } from "./runs.ts";
import { onLeftWithoutWatchd, onOperatorStart, onStopAsked } from "./standstill.ts";
import { askStop, beginStart } from "./start-stop.ts";
import type { AgentState, State } from "./state.ts";
import { onBoot, onSurvey } from "./survey.ts";
import { agentOf, patchAgent, type Turn } from "./turn.ts";
import { onUpstreams } from "./upstreams.ts";

export interface Step {
  readonly state: State;
  readonly commands: readonly Command[];
  readonly records: readonly LedgerRecord[];
}

export function step(state: State, event: Event, now: Instant): Step {
  const turn: Turn = { state: { ...state, turn: state.turn + 1 }, own: null, now, commands: [], records: [] };
  skipGap(turn);
  apply(turn, event);
  if (turn.state.surveyed) {
    runTimers(turn);
    watchProbation(turn);
    endProbation(turn);
  }
  return { state: turn.state, commands: turn.commands, records: turn.records };
}

function apply(turn: Turn, event: Event): void {
  switch (event.type) {
    case "boot":
      return onBoot(turn, event.bootId);
    case "generation":
      return onGeneration(turn, event.current, event.knownGood);
    case "runs":
      return onSurvey(turn, event);
    case "runs-unseen":
      return onUnseen(turn);
    case "started":
      return onStarted(turn, event.run);
    case "start-failed":
      return onStartFailed(turn, event);
    case "exited":
      return onExited(turn, event);
    case "stop-asked":
      return onStopAsked(turn, event.agent, event.runId);
    case "stopped":
      return onStopped(turn, event);
    case "stop-failed":
      return onStopFailed(turn, event);
    case "probed":
      return onProbed(turn, event.agent, event.runId, event.outcome);
    case "beat":
      return onBeat(turn, event.agent, event.runId);
    case "replace-asked":
      return onReplaceAsked(turn, event.agent, event.runId, event.why);
    case "restart-asked":
      return onRestartAsked(turn, event.agent, event.runId);
    case "usage":
      return onUsage(turn, event);
    case "idle":
      return onIdle(turn, event.agent, event.runId, event.forMs);
    case "progress":
      return onProgress(turn, event.agent, event.runId, event.count);
    case "dependencies":
      return onDependencies(turn, event);
    case "closure-verified":
      return onClosureVerified(turn, event.path, event.problems);
    case "promoted":
      return onPromoted(turn, event.path, event.knownGood);
    case "closure-unread":
    case "promotion-failed":
      return onPromotionFailed(turn, event.path, event.message);
    case "rollback-refused":
      return onRollbackRefused(turn, event.id, event.problems);
    case "rollback-failed":
      return onRollbackFailed(turn, event.id, event.problems);
    case "rollback-done":
      return onRollbackDone(turn, event.id);
    case "earlier-found":
      return onEarlierFound(turn, event);
    case "earlier-refused":
      return onEarlierRefused(turn, event);
    case "operator-rollback":
      return onOperatorRollback(turn, event.target, event.targetNumber);
    case "operator-allow":
      return onOperatorAllow(turn, event.path);
    case "operator-start":
      return onOperatorStart(turn, event.agent);
    case "left-without-watchd":
      return onLeftWithoutWatchd(turn, event);
    case "ledger":
      return onLedger(turn, event.reachable);
    case "upstreams":
      return onUpstreams(turn, event.down);
    case "drain":
      return onDrain(turn);
    case "tick":
      return;
  }
}

/** Does what is due by the clock, whichever event it was that brought the time along. */
function runTimers(turn: Turn): void {
  retryRollback(turn);
  for (const [name, agent] of Object.entries(turn.state.agents)) {
    const due = nextTimer(agent);
    if (due !== null && due <= turn.now.mono) runTimer(turn, name, agent);
  }
}

function runTimer(turn: Turn, name: string, agent: AgentState): void {
  if (agent.phase === "backoff") {
    beginStart(turn, name);
  } else if (agent.phase === "stopping") {
    askStop(turn, name, "it could not be stopped before");
  } else {
    // Each may end what the next would ask about.
    whenDue(turn, name, hangsAt, onSilence);
    whenDue(turn, name, stuckAt, onStuck);
    whenDue(turn, name, preemptionDue, onPreemptionDue);
    whenDue(turn, name, nextLook, look);
  }
}

function whenDue(
  turn: Turn,
  name: string,
  dueAt: (agent: AgentState) => number | null,
  act: (turn: Turn, name: string, dueAt: number) => void,
): void {
  const agent = agentOf(turn, name);
  const at = agent === undefined ? null : dueAt(agent);
  if (at !== null && at <= turn.now.mono) act(turn, name, at);
}

/** Whether it has lasted, or how it answers. */
function look(turn: Turn, name: string): void {
  const agent = agentOf(turn, name);
  if (agent?.run == null) return;
  if (agent.policy.health === null) {
    becomeHealthy(turn, name);
  } else {
    const sent = { sent: agent.probe.sent + 1, sentAt: turn.now.mono };
    patchAgent(turn, name, { probe: { ...agent.probe, outstanding: true, ...sent } });
    turn.commands.push({ type: "probe", agent: name, runId: agent.run.runId, health: agent.policy.health });
  }
}

/** Monotonic instant of the next thing that the clock alone brings about for this agent. */
function nextTimer(agent: AgentState): number | null {
  if (agent.phase === "backoff" || agent.phase === "stopping") return agent.restartAt;
  return earliest(earliest(nextLook(agent), hangsAt(agent)), earliest(stuckAt(agent), preemptionDue(agent)));
}

function earliest(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.min(a, b);
}

function nextLook(agent: AgentState): number | null {
  if (agent.run === null) return null;
  if (agent.policy.health === null) {
    const lasts = agent.phase === "verifying" && isHeard(agent);
    return lasts ? agent.run.started.mono + agent.policy.startupMs : null;
  }
  const probing = agent.phase === "verifying" || agent.phase === "healthy";
  return probing && !agent.probe.outstanding ? agent.probe.nextAt : null;
}

/** Monotonic instant at which the core wants to be woken by a `tick` if nothing else happens; null: not at all. */
export function nextWake(state: State): number | null {
  if (!state.surveyed) return null;
  let least = state.rollback === null ? probationEnds(state) : (state.rollback.retry?.at ?? null);
  for (const agent of Object.values(state.agents)) {
    const at = nextTimer(agent);
    if (at !== null && (least === null || at < least)) least = at;
  }
  return least;
}
