import type { AgentState, Phase, State } from "../policy/state.ts";
import type { CurrentGeneration, Run, Usage } from "../ports.ts";
import type { RoutinesView } from "../routines/runtime.ts";
import type { AgentCounts, Counts, RoutineCounts } from "./counts.ts";

/** What is to be measured of watchd and of what it looks after. Names and numbers, no command lines and no secrets. */
export interface Facts {
  readonly schemaVersion: 1;
  readonly host: string;
  readonly pid: number;
  readonly generation: {
    readonly number: number;
    /** Unix time in milliseconds. */
    readonly activatedAt: number;
    readonly knownGood: boolean;
  } | null;
  readonly rollingBack: boolean;
  readonly quarantined: number;
  /** Rollbacks that have ended, by how. */
  readonly rollbacks: Readonly<Record<string, number>>;
  readonly agents: readonly AgentFacts[];
  readonly routines: readonly RoutineFacts[];
  /** Entries that ledgerd has not acknowledged yet. */
  readonly ledger: { readonly connected: boolean; readonly waiting: number };
}

export interface AgentFacts extends AgentCounts {
  readonly name: string;
  readonly phase: Phase;
  readonly required: boolean;
  readonly held: boolean;
  /** It is not to run although it is declared, by whomever. */
  readonly stopped: boolean;
  /** It has failed and has not proven itself since. */
  readonly recovering: boolean;
  readonly pid: number | null;
  /** Unix time in milliseconds; null while it does not run. */
  readonly startedAt: number | null;
  /** What its run uses, as measured last; null before that. */
  readonly usage: Usage | null;
}

export interface RoutineFacts extends RoutineCounts {
  readonly name: string;
  readonly running: number;
  readonly waiting: number;
  readonly paused: boolean;
  /** Unix time in milliseconds; null for none. */
  readonly nextAt: number | null;
  readonly last: { readonly at: number; readonly succeeded: boolean } | null;
}

export interface FactsSource {
  readonly state: State;
  readonly current: CurrentGeneration | null;
  readonly runs: ReadonlyMap<string, Run>;
  readonly outbox: { readonly connected: boolean; readonly waiting: readonly unknown[] };
}

/** What `GET /v1/facts` answers: read from what is in memory, so that asking costs nothing but the time to write it down. */
export function factsOf(source: FactsSource, routines: RoutinesView, counts: Counts): Facts {
  const { state, current, outbox } = source;
  const { generation } = state;
  counts.keep(
    new Set(Object.keys(state.agents)),
    new Set([...(routines.engine?.state.routines ?? [])].map(([name]) => name)),
  );
  return {
    schemaVersion: 1,
    host: current?.manifest.host ?? "",
    pid: process.pid,
    generation:
      generation === null
        ? null
        : {
            number: generation.number,
            activatedAt: generation.activated.wall,
            knownGood: state.knownGood.some(({ path }) => path === generation.path),
          },
    rollingBack: state.rollback !== null,
    quarantined: state.quarantine.length,
    rollbacks: counts.rollbacks,
    agents: Object.keys(state.agents).flatMap((name) => agentFacts(name, source, counts)),
    routines: Object.keys(routines.declared).flatMap((name) => routineFacts(name, routines, counts)),
    ledger: { connected: outbox.connected, waiting: outbox.waiting.length },
  };
}

function agentFacts(name: string, { state, runs }: FactsSource, counts: Counts): readonly AgentFacts[] {
  const agent = state.agents[name];
  if (agent === undefined) return [];
  const { phase, held, run, incident, stoppedBy, policy } = agent;
  return [
    {
      name,
      phase,
      required: policy.required,
      held,
      stopped: stoppedBy !== null,
      recovering: incident !== null,
      pid: run === null ? null : (runs.get(run.runId)?.pid ?? null),
      startedAt: run?.started.wall ?? null,
      usage: usageOf(agent),
      ...counts.agent(name),
    },
  ];
}

function usageOf({ usage: { sample } }: AgentState): Usage | null {
  if (sample === null) return null;
  const { at: _, ...usage } = sample;
  return usage;
}

function routineFacts(name: string, { engine }: RoutinesView, counts: Counts): readonly RoutineFacts[] {
  const routine = engine?.state.routines.get(name);
  // Declared a moment ago, it may not have been told to the core yet.
  if (routine === undefined) return [];
  const { runs, queue, delayed, pause, nextAt, last } = routine;
  return [
    {
      name,
      running: runs.length,
      waiting: queue.length + delayed.length,
      paused: pause !== null,
      nextAt,
      last: last === null ? null : { at: last.at, succeeded: last.outcome === "succeeded" },
      ...counts.routine(name),
    },
  ];
}
