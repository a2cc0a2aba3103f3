import { withinWindow } from "../policy/backoff.ts";
import { flappingChecks } from "../policy/flapping.ts";
import { heldUpBy, probationEnds } from "../policy/probation.ts";
import type { AgentState, Rollback, State } from "../policy/state.ts";
import type { GenerationInfo, Instant, Run } from "../ports.ts";

export interface StatusOptions {
  readonly host: string;
  readonly pid: number;
  readonly now: Instant;
  readonly runs: ReadonlyMap<string, Run>;
  readonly ledger: { readonly connected: boolean; readonly waiting: number };
}

/** What `GET /v1/status` answers. */
export function statusOf(state: State, options: StatusOptions): object {
  return {
    schemaVersion: 1,
    host: options.host,
    pid: options.pid,
    draining: state.draining,
    generation: generationStatus(state, options.now),
    rollback: rollbackStatus(state.rollback),
    rollbackAtBoot: rollbackStatus(state.awaitsBoot),
    agents: Object.entries(state.agents).map(([name, agent]) => agentStatus(name, agent, options)),
    quarantine: state.quarantine,
    ledger: options.ledger,
  };
}

function generationStatus(state: State, now: Instant): object | null {
  const { generation } = state;
  if (generation === null) return null;
  const ends = probationEnds(state);
  return {
    number: generation.number,
    path: generation.path,
    activatedAt: new Date(generation.activated.wall).toISOString(),
    knownGood: state.knownGood.some((good) => good.path === generation.path),
    promotion: state.promotion,
    probationEndsInMs: ends === null ? null : Math.max(0, Math.round(ends - now.mono)),
    heldUpBy: state.promotion === "done" ? null : { agents: heldUpBy(state), ledger: state.ledgerAway },
  };
}

function rollbackStatus(rollback: Rollback | null): object | null {
  if (rollback === null) return null;
  const { id, by, from, target, targetNumber, agent, incident } = rollback;
  return { id, by, from, target, targetNumber, agent, incident };
}

function agentStatus(name: string, agent: AgentState, { now, runs }: StatusOptions): object {
  const { incident, run } = agent;
  return {
    name,
    phase: agent.phase,
    held: agent.held,
    stoppedBy: agent.stoppedBy,
    required: agent.policy.required,
    digest: agent.policy.digest,
    standIn:
      agent.standIn === null
        ? null
        : {
            kind: agent.standIn.kind,
            number: agent.standIn.number,
            declaredDigest: agent.standIn.declared.digest,
          },
    runId: run?.runId ?? null,
    pid: run === null ? null : (runs.get(run.runId)?.pid ?? null),
    uptimeMs: run === null ? null : Math.max(0, Math.round(now.mono - run.started.mono)),
    restarts: incident?.restarts ?? 0,
    recentFailures: withinWindow(agent.failures, agent.policy.restart, now.mono).length,
    restartInMs: agent.restartAt === null ? null : Math.max(0, Math.round(agent.restartAt - now.mono)),
    waitsFor: agent.waitsFor,
    lacking: Object.keys(agent.lacking).filter((name) => agent.lacking[name]?.until === null),
    checks: checksOf(agent),
    usage: usageOf(agent, now),
    restartsFor: agent.pending?.excess.resource ?? null,
    incident:
      incident === null
        ? null
        : {
            id: incident.id,
            cause: incident.cause,
            since: new Date(incident.since.wall).toISOString(),
            rolledBack: incident.rolledBack,
          },
  };
}

/** How many of its newest health checks it has missed since it was proven; null without a health check. */
function checksOf({ policy, probe }: AgentState): object | null {
  if (policy.health === null) return null;
  return { missed: probe.misses.length, of: flappingChecks(policy.health.failures) };
}

/** As it was measured last; null for what cannot be told, and for all of it before the first time. */
function usageOf({ usage: { sample, levels } }: AgentState, now: Instant): object | null {
  if (sample === null) return null;
  return {
    ageMs: Math.max(0, Math.round(now.mono - sample.at)),
    memoryBytes: levels.memory,
    cpu: levels.cpu,
    openFiles: levels.openFiles,
    tasks: levels.tasks,
    ioBytesPerSecond: levels.io,
    latencyMs: levels.latency,
  };
}

/** What `GET /v1/generations` answers. */
export function generationsOf(state: State, generations: readonly GenerationInfo[]): object {
  const good = new Set(state.knownGood.map((entry) => entry.path));
  const quarantined = new Set(state.quarantine.map((entry) => entry.path));
  return {
    schemaVersion: 1,
    generations: generations.map((generation) => ({
      number: generation.number,
      path: generation.path,
      createdAt: new Date(generation.createdAt).toISOString(),
      current: generation.current,
      knownGood: good.has(generation.path),
      quarantined: quarantined.has(generation.path),
    })),
  };
}
