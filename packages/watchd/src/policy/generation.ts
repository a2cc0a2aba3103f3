import type { AgentManifest } from "@daruma/config";
import type { CurrentGeneration, KnownGood } from "../ports.ts";
import { hold, recover } from "./failure.ts";
import { abandonRollback, completeRollback, failRollback } from "./rollback.ts";
import { beginStart, beginStop } from "./start-stop.ts";
import { type AgentPolicy, type AgentState, initialAgent } from "./state.ts";
import { agentOf, patch, patchAgent, record, removeAgent, type Turn } from "./turn.ts";

export function onGeneration(turn: Turn, current: CurrentGeneration, knownGood: readonly KnownGood[]): void {
  patch(turn, { knownGood });
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
  });
  const change = applyManifest(turn, current.manifest.agents);
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
  else if (rollback.from !== current.path) abandonRollback(turn, rollback);
}

interface Change {
  readonly added: string[];
  readonly changed: string[];
  readonly removed: string[];
}

/** Brings the agents to what the new generation declares. Unchanged ones keep running, and keep their history. */
function applyManifest(turn: Turn, agents: Readonly<Record<string, AgentManifest>>): Change {
  const change: Change = { added: [], changed: [], removed: [] };
  for (const [name, manifest] of Object.entries(agents)) {
    const known = agentOf(turn, name);
    const policy = policyOf(manifest);
    if (known === undefined) {
      patch(turn, { agents: { ...turn.state.agents, [name]: initialAgent(policy) } });
      change.added.push(name);
    } else if (known.policy.digest !== policy.digest) {
      patchAgent(turn, name, {
        policy,
        declared: true,
        failures: [],
        failuresInGeneration: 0,
        provenInGeneration: false,
        held: false,
      });
      change.changed.push(name);
    } else {
      const proven = known.phase === "healthy" || known.phase === "completed";
      patchAgent(turn, name, { policy, declared: true, failuresInGeneration: 0, provenInGeneration: proven });
    }
  }
  for (const name of Object.keys(turn.state.agents)) {
    if (Object.hasOwn(agents, name)) continue;
    patchAgent(turn, name, { declared: false });
    change.removed.push(name);
  }
  for (const name of Object.keys(turn.state.agents)) {
    converge(turn, name, change.changed.includes(name));
  }
  return change;
}

/** The generation does not have this agent any more. */
function retire(turn: Turn, name: string): void {
  const agent = agentOf(turn, name);
  if (agent === undefined) return;
  if (agent.phase === "stopping") patchAgent(turn, name, { afterStop: "remove" });
  else if (agent.run !== null) beginStop(turn, name, "remove", "this generation does not have it");
  else removeAgent(turn, name);
}

/**
 * Makes an agent run what is wanted of it, from whatever it does now. Idempotent; does nothing before the first survey,
 * which calls it again.
 *
 * @param changed the definition is another one than before, so that what had ended under the old one starts anew
 */
export function converge(turn: Turn, name: string, changed: boolean): void {
  const agent = agentOf(turn, name);
  if (agent === undefined || !turn.state.surveyed || turn.state.draining) return;
  if (!agent.declared) {
    retire(turn, name);
    return;
  }
  const outdated = agent.run !== null && agent.run.digest !== agent.policy.digest;
  if (agent.phase === "stopping") {
    if (outdated) patchAgent(turn, name, { afterStop: "replace" });
  } else if (outdated) {
    beginStop(turn, name, "replace", "this generation changes it");
  } else if (agent.run === null && agent.startingRun === null && isDue(agent, changed)) {
    beginStart(turn, name);
  }
}

/** An agent in backoff without a time waits for the outcome of a rollback. */
function isDue(agent: AgentState, changed: boolean): boolean {
  return agent.phase === "stopped" || changed || (agent.phase === "backoff" && agent.restartAt === null);
}

export function policyOf(manifest: AgentManifest): AgentPolicy {
  const { digest, startupMs, health, restart, limits, stop, escalate, required } = manifest;
  return { digest, startupMs, health, restart, limits, stop, escalate, required };
}

/** The target itself is broken and nothing has moved: it is struck off, and the next one is judged by the same rules. */
export function onRollbackRefused(turn: Turn, id: string, problems: readonly string[]): void {
  const { rollback } = turn.state;
  if (rollback?.id !== id) return;
  patch(turn, { rejected: [...turn.state.rejected, rollback.target] });
  const spent = turn.state.spentBudget[rollback.from] ?? 0;
  if (rollback.by === "watchd" && spent > 0) {
    patch(turn, { spentBudget: { ...turn.state.spentBudget, [rollback.from]: spent - 1 } });
  }
  for (const name of failRollback(turn, rollback, problems, true)) {
    const incident = agentOf(turn, name)?.incident;
    if (incident != null) patchAgent(turn, name, { incident: { ...incident, rolledBack: false } });
    recover(turn, name);
  }
}

export function onRollbackFailed(turn: Turn, id: string, problems: readonly string[]): void {
  const { rollback } = turn.state;
  if (rollback?.id !== id) return;
  for (const name of failRollback(turn, rollback, problems, false)) {
    hold(turn, name, [`rollback ${rollback.id} failed`, ...problems]);
  }
}
