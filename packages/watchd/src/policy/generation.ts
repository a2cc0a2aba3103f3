import type { AgentManifest } from "@daruma/config";
import type { CurrentGeneration, KnownGood } from "../ports.ts";
import { escalate, stay } from "./escalation.ts";
import {
  abandonRollback,
  completeRollback,
  failRollback,
  giveUpRollback,
  maxAttempts,
  retryLater,
  settleBoot,
} from "./rollback.ts";
import { isExhausted } from "./rollback-rules.ts";
import { declaredPolicy, keptStandIn, noteTakenOff, policyOf } from "./stand-in.ts";
import { beginStart, beginStop, byPerson, retire } from "./start-stop.ts";
import {
  type AgentPolicy,
  type AgentState,
  type Incident,
  initialAgent,
  nothingLearned,
  type Rollback,
  unlessByPerson,
} from "./state.ts";
import { agentOf, patch, patchAgent, record, setAgent, type Turn } from "./turn.ts";

export function onGeneration(turn: Turn, current: CurrentGeneration, knownGood: readonly KnownGood[]): void {
  patch(turn, { knownGood });
  settleBoot(turn, current.path);
  const before = turn.state.generation;
  if (before?.path === current.path && before.number === current.number) return;
  settleRollback(turn, current);
  const why =
    before === null ? "first" : knownGood.some((good) => good.path === current.path) ? "return" : "deploy";
  patch(turn, {
    generation: {
      number: current.number,
      path: current.path,
      hostDigest: current.manifest.hostDigest,
      watchdog: current.manifest.watchdog,
      activated: turn.now,
      activatedTurn: turn.state.turn,
    },
    provenSince: null,
    promotion: knownGood.some((good) => good.path === current.path) ? "done" : "pending",
    promotionFailures: 0,
  });
  const isSameHost = before?.hostDigest === current.manifest.hostDigest;
  const change = applyManifest(turn, current.manifest.agents, isSameHost);
  record(turn, {
    action: "generation.switch",
    subject: current.path,
    details: {
      number: current.number,
      fromNumber: before?.number ?? null,
      from: before?.path ?? null,
      why,
      ...change,
    },
  });
}

function settleRollback(turn: Turn, current: CurrentGeneration): void {
  const { rollback } = turn.state;
  if (rollback === null) return;
  if (rollback.target === current.path) completeRollback(turn, rollback);
  else if (rollback.from !== current.path)
    abandonRollback(turn, rollback, "another generation was activated meanwhile");
}

interface Change {
  readonly added: string[];
  readonly changed: string[];
  readonly removed: string[];
}

/** Brings the agents to what the new generation declares. Unchanged ones keep running, and keep their history. */
function applyManifest(
  turn: Turn,
  agents: Readonly<Record<string, AgentManifest>>,
  isSameHost: boolean,
): Change {
  const change: Change = { added: [], changed: [], removed: [] };
  for (const [name, manifest] of Object.entries(agents)) {
    const known = agentOf(turn, name);
    const policy = policyOf(manifest);
    // One that was removed may still be on its way out, and comes back: as a new one, however long its end takes.
    const same = known?.declared === true && declaredPolicy(known).digest === policy.digest;
    const inForce = same ? keptStandIn(known, policy, isSameHost) : null;
    if (known?.declared !== true) change.added.push(name);
    else if (!same) change.changed.push(name);
    if (known === undefined)
      setAgent(turn, name, initialAgent(policy, turn.state.stopped.includes(name) ? "person" : null));
    else
      patchAgent(turn, name, inForce !== null ? kept(known, inForce) : redefined(turn, known, policy, same));
    if (known?.standIn != null && inForce === null) noteTakenOff(turn, name, known.standIn, "deploy");
  }
  for (const [name, { declared }] of Object.entries(turn.state.agents)) {
    if (Object.hasOwn(agents, name) || !declared) continue;
    patchAgent(turn, name, { declared: false });
    change.removed.push(name);
  }
  for (const name of Object.keys(turn.state.agents)) {
    converge(turn, name);
  }
  return change;
}

/** The same definition as before: it keeps its history, but what happened before the switch is not held against this one. */
function kept(known: AgentState, inForce: Pick<AgentState, "policy" | "standIn">): Partial<AgentState> {
  const alertsAreNew = !known.policy.escalate.includes("alert");
  return {
    ...inForce,
    goingBack: null,
    declared: true,
    lacking: stillNeeded(known.lacking, known.policy, inForce.policy),
    reached: stillNeeded(known.reached, known.policy, inForce.policy),
    stoppedBy: unlessByPerson(known.stoppedBy),
    incident: alertsAreNew ? withoutAlerts(known.incident) : known.incident,
    evidence: [],
    failuresInGeneration: 0,
    // It waits for the moment of a restart that this generation does not want any more.
    pending: inForce.policy.restart.when === "never" ? null : known.pending,
    // What it reads on the host may be what the switch has changed.
    misconfigured: false,
    provenInGeneration: known.phase === "healthy" || known.phase === "completed",
  };
}

/** What is known of a dependency is known of the same place under the same name alone; all else is asked anew. */
function stillNeeded<T>(
  known: Readonly<Record<string, T>>,
  before: AgentPolicy,
  policy: AgentPolicy,
): Readonly<Record<string, T>> {
  const same = (name: string) => {
    const url = policy.dependencies?.[name];
    return url !== undefined && url === before.dependencies?.[name];
  };
  return Object.fromEntries(Object.entries(known).filter(([name]) => same(name)));
}

function withoutAlerts(incident: Incident | null): Incident | null {
  return incident === null ? null : { ...incident, alerts: [] };
}

/**
 * Another definition than before, or the `same` once more in place of what stood in for it: nothing that was learned about the old one
 * counts, and what had ended starts anew.
 */
function redefined(turn: Turn, known: AgentState, policy: AgentPolicy, same: boolean): Partial<AgentState> {
  const incident = withoutAlerts(known.incident);
  const beyondHelp = incident?.beyondHelp === true || isBeyondHelp(known, turn);
  const idle = known.run === null && known.startingRun === null;
  return {
    policy,
    changedIn: beyondHelp || same ? null : turn.state.turn,
    standIn: null,
    goingBack: null,
    declared: true,
    lacking: stillNeeded(known.lacking, known.policy, policy),
    reached: stillNeeded(known.reached, known.policy, policy),
    stoppedBy: unlessByPerson(known.stoppedBy),
    // What is wrong with the new definition is news, even if the incident is an old one.
    incident: incident !== null && beyondHelp ? { ...incident, beyondHelp } : incident,
    ...(idle ? { phase: "stopped", restartAt: null } : {}),
    ...nothingLearned,
  };
}

/** Restarting it as it was did not help. */
function isBeyondHelp(agent: AgentState, { now }: Turn): boolean {
  const { held, misconfigured, standIn, goingBack } = agent;
  return held || misconfigured || standIn !== null || goingBack !== null || isExhausted(agent, now);
}

/**
 * Makes an agent run what is wanted of it, from whatever it does now. Idempotent; does nothing before the first survey,
 * which calls it again.
 */
export function converge(turn: Turn, name: string): void {
  const agent = agentOf(turn, name);
  if (agent === undefined || !turn.state.surveyed) return;
  if (turn.state.draining) drain(turn, name, agent);
  else if (!agent.declared) retire(turn, name);
  else if (agent.stoppedBy !== null) keepStopped(turn, name, agent);
  else if (agent.run !== null) {
    if (agent.phase !== "stopping" && agent.run.digest !== agent.policy.digest)
      beginStop(turn, name, "replace", "this generation changes it");
  } else if (agent.startingRun === null && isDue(turn, name, agent)) beginStart(turn, name);
}

function drain(turn: Turn, name: string, agent: AgentState): void {
  if (agent.run === null) {
    if (agent.phase === "backoff") patchAgent(turn, name, { phase: "stopped", restartAt: null });
  } else if (agent.phase !== "stopping") beginStop(turn, name, "replace", "everything is being stopped");
}

function keepStopped(turn: Turn, name: string, agent: AgentState): void {
  if (agent.run !== null) {
    if (agent.phase !== "stopping") beginStop(turn, name, "replace", byPerson);
  } else if (agent.startingRun === null) patchAgent(turn, name, { phase: "stopped", restartAt: null });
}

/** An agent in backoff without a time has asked for a rollback: until that is settled, it waits. */
function isDue(turn: Turn, name: string, agent: AgentState): boolean {
  if (turn.state.rollback?.agent === name || agent.goingBack !== null) return false;
  switch (agent.phase) {
    case "stopped":
      return true;
    case "backoff":
      return agent.restartAt === null;
    // What had ended for good does so no longer if the restart policy has changed.
    case "completed":
      return agent.policy.restart.when === "always";
    case "failed":
      return agent.policy.restart.when !== "never" && !agent.misconfigured;
    default:
      return false;
  }
}

/** The target itself is broken and nothing has moved: it is struck off, and the next one is judged by the same rules. */
export function onRollbackRefused(turn: Turn, id: string, problems: readonly string[]): void {
  const { rollback } = turn.state;
  if (rollback?.id !== id) return;
  const others = turn.state.rejected.filter((path) => path !== rollback.target);
  patch(turn, { rejected: [...others, rollback.target] });
  const spent = turn.state.spentBudget[rollback.from] ?? 0;
  if (rollback.by === "watchd" && spent > 0) {
    patch(turn, { spentBudget: { ...turn.state.spentBudget, [rollback.from]: spent - 1 } });
  }
  failRollback(turn, rollback, problems);
  const waiting = waitingAgent(turn, rollback);
  if (waiting === null) return;
  const { name, incident } = waiting;
  if (incident.id === rollback.incident)
    patchAgent(turn, name, { incident: { ...incident, rolledBack: false } });
  escalate(turn, name);
}

export function onRollbackFailed(turn: Turn, id: string, problems: readonly string[]): void {
  const { rollback } = turn.state;
  if (rollback?.id !== id || rollback.retry !== undefined) return;
  if (rollback.attempts < maxAttempts) {
    retryLater(turn, rollback, problems);
    return;
  }
  giveUpRollback(turn, rollback, problems);
  const waiting = waitingAgent(turn, rollback);
  if (waiting !== null) stay(turn, waiting.name, [`rollback ${rollback.id} failed`, ...problems]);
}

/** The command has ended, and what is current is neither the target nor a third one: somebody has gone back at once. */
export function onRollbackDone(turn: Turn, id: string): void {
  const { rollback } = turn.state;
  if (rollback?.id !== id) return;
  abandonRollback(turn, rollback, "the generation was activated again meanwhile");
  if (rollback.agent !== null) converge(turn, rollback.agent);
}

/** The agent that asked for the rollback, if it is still down; it may be gone, or up again as a run that was adopted. */
function waitingAgent(turn: Turn, { agent: name }: Rollback): { name: string; incident: Incident } | null {
  const agent = name === null ? undefined : agentOf(turn, name);
  if (name === null || agent === undefined || !agent.declared || turn.state.draining) return null;
  const down = agent.run === null && agent.startingRun === null;
  const waits =
    down && (agent.phase === "stopped" || (agent.phase === "backoff" && agent.restartAt === null));
  return waits && agent.incident !== null ? { name, incident: agent.incident } : null;
}
