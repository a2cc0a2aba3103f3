import type { JsonValue } from "@daruma/base";
import type { LedgerRecord } from "../policy/events.ts";
import { type AgentState, nothingSeen, type State } from "../policy/state.ts";

/** A ledger entry to be that ledgerd has not acknowledged yet; `n` makes sending it again harmless. */
export interface Waiting {
  readonly n: number;
  readonly record: LedgerRecord;
}

/** All that must survive watchd: the core's state, and what the ledger has yet to be told. */
export interface Durable {
  readonly state: State;
  readonly nextEntry: number;
  readonly waiting: readonly Waiting[];
}

/** What one journal record says: only what changed. */
export interface Delta {
  readonly state: Partial<State>;
  /** Agents that changed; null for one that is gone. */
  readonly agents: Readonly<Record<string, AgentState | null>>;
  readonly nextEntry: number;
  readonly added: readonly Waiting[];
  /** Everything up to this entry is in the ledger. */
  readonly acknowledged: number;
}

export function deltaBetween(
  before: State,
  after: State,
  ledger: { readonly nextEntry: number; readonly added: readonly Waiting[]; readonly acknowledged: number },
): Delta {
  return { state: changedFields(before, after), agents: changedAgents(before, after), ...ledger };
}

function changedFields(before: State, after: State): Partial<State> {
  const old = new Map<string, unknown>(Object.entries(before));
  const changed = Object.entries(after).filter(([key, value]) => key !== "agents" && old.get(key) !== value);
  return Object.fromEntries(changed);
}

function changedAgents(before: State, after: State): Record<string, AgentState | null> {
  const changed: Record<string, AgentState | null> = {};
  for (const [name, agent] of Object.entries(after.agents)) {
    // Probing and listening begin anew after a restart; leaving it out keeps records small.
    if (before.agents[name] !== agent) changed[name] = { ...agent, ...nothingSeen };
  }
  for (const name of Object.keys(before.agents)) {
    if (!Object.hasOwn(after.agents, name)) changed[name] = null;
  }
  return changed;
}

export function applyDelta(durable: Durable, delta: Delta): Durable {
  const agents = { ...durable.state.agents };
  for (const [name, agent] of Object.entries(delta.agents)) {
    if (agent === null) delete agents[name];
    else agents[name] = asNow(agent);
  }
  return {
    state: { ...durable.state, ...delta.state, agents },
    nextEntry: delta.nextEntry,
    waiting: [...durable.waiting, ...delta.added].filter((entry) => entry.n > delta.acknowledged),
  };
}

export function encode(value: Durable | Delta): JsonValue {
  return value as unknown as JsonValue;
}

/** What the journal holds, put together. The journal's checksums vouch that we wrote it; its version is checked. */
export function recoverDurable(recovered: {
  readonly snapshot: JsonValue;
  readonly deltas: readonly JsonValue[];
}): Durable {
  const snapshot = completed(recovered.snapshot as unknown as Durable);
  if (snapshot.state.schemaVersion !== 1) {
    throw new Error(
      `the journal holds state of version ${String(snapshot.state.schemaVersion)}, this release reads 1`,
    );
  }
  return recovered.deltas.reduce<Durable>(
    (durable, delta) => applyDelta(durable, delta as unknown as Delta),
    snapshot,
  );
}

/** What an earlier release has written, with what it did not know of. */
function completed(durable: Durable): Durable {
  const agents = Object.entries(durable.state.agents).map(([name, agent]) => [name, asNow(agent)]);
  return {
    ...durable,
    state: {
      ...durable.state,
      stopped: durable.state.stopped ?? [],
      ledgerAway: durable.state.ledgerAway ?? false,
      awaitsBoot: durable.state.awaitsBoot ?? null,
      promotionFailures: durable.state.promotionFailures ?? 0,
      upstreamsDown: durable.state.upstreamsDown ?? {},
      wentBackAlone: durable.state.wentBackAlone ?? {},
      keptFromAlone: durable.state.keptFromAlone ?? {},
      agents: Object.fromEntries(agents),
    },
  };
}

function asNow(agent: AgentState): AgentState {
  const { health, heartbeat } = agent.policy;
  const policy = {
    ...agent.policy,
    health: health === null ? null : { ...health, body: health.body ?? null },
    heartbeat: heartbeat ?? null,
  };
  const { stoppedBy = null, turnSince = null, standIn = null, goingBack = null, preempted = [] } = agent;
  const { lacking = {}, reached = {}, awaitsWord = false, ownRestarts = [] } = agent;
  const later = { lacking, reached, awaitsWord, ownRestarts };
  return { ...nothingSeen, ...agent, policy, stoppedBy, turnSince, standIn, goingBack, preempted, ...later };
}
