import { Histogram, type HistogramDocument } from "@daruma/base";
import type { LedgerRecord } from "../policy/events.ts";
import type { FailureCause, State } from "../policy/state.ts";
import type { Outcome } from "../routines/state.ts";

/** Seconds from a failure to the proof of health. */
const recoveryBounds = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800];
/** Seconds by which a run began after the time that it was for. */
const latenessBounds = [0.1, 1, 5, 15, 60, 300, 1_800, 7_200, 86_400];

/** What is counted by name begins with 0 for each of them, so that the first is seen as an increase. */
const noRestarts: Readonly<Record<FailureCause, number>> = {
  crash: 0,
  hang: 0,
  unhealthy: 0,
  leak: 0,
  resource: 0,
  "start-failed": 0,
  dependency: 0,
  configuration: 0,
  "killed-by-operator": 0,
};
const noRuns: Readonly<Record<Outcome, number>> = { succeeded: 0, failed: 0, replaced: 0, stopped: 0 };
const noOverlaps = { skipped: 0, queued: 0, dropped: 0 };
const noRollbacks = { "rolled-back": 0, "rollback-failed": 0, "rollback-abandoned": 0 };

export interface AgentCounts {
  /** Restarts by the cause of the incident that they are of. */
  readonly restarts: Readonly<Record<string, number>>;
  /** Seconds that recoveries took; null as long as there was none. */
  readonly recoveries: HistogramDocument | null;
}

export interface RoutineCounts {
  /** Runs that are over, by outcome. */
  readonly runs: Readonly<Record<string, number>>;
  readonly retries: number;
  /** Firings that met an active run or a full group: skipped, queued or dropped. */
  readonly overlaps: Readonly<Record<string, number>>;
  /** Stretches of time in which times of it passed and nobody could decide on them. */
  readonly missed: number;
  /** Seconds; null as long as there was no run. */
  readonly lateness: HistogramDocument | null;
}

interface OfAgent {
  readonly restarts: Record<string, number>;
  recoveries: Histogram | null;
}

interface OfRoutine {
  readonly runs: Record<string, number>;
  readonly overlaps: Record<string, number>;
  retries: number;
  missed: number;
  lateness: Histogram | null;
}

/**
 * What has happened since this watchd began, counted from the very entries that it writes. Nothing is kept over a restart: who
 * adds up, as Prometheus does, knows a count that begins anew.
 */
export class Counts {
  readonly #agents = new Map<string, OfAgent>();
  readonly #routines = new Map<string, OfRoutine>();
  readonly #rollbacks: Record<string, number> = { ...noRollbacks };

  /** Rollbacks that have ended, by how: rolled-back, rollback-failed, rollback-abandoned. */
  get rollbacks(): Readonly<Record<string, number>> {
    return { ...this.#rollbacks };
  }

  agent(name: string): AgentCounts {
    const { restarts = {}, recoveries = null } = this.#agents.get(name) ?? {};
    return { restarts: { ...noRestarts, ...restarts }, recoveries: recoveries?.toDocument() ?? null };
  }

  routine(name: string): RoutineCounts {
    const found = this.#routines.get(name);
    return {
      runs: { ...noRuns, ...found?.runs },
      overlaps: { ...noOverlaps, ...found?.overlaps },
      retries: found?.retries ?? 0,
      missed: found?.missed ?? 0,
      lateness: found?.lateness?.toDocument() ?? null,
    };
  }

  /** @param state after the event that the record came from */
  countAgents(records: readonly LedgerRecord[], state: State): void {
    for (const { action, subject, details } of records) {
      if (action === "agent.restart") {
        add(this.#agent(subject).restarts, state.agents[subject]?.incident?.cause ?? "unknown");
      } else if (action === "recovery.verified" && typeof details.verifiedAfterMs === "number") {
        const agent = this.#agent(subject);
        agent.recoveries ??= new Histogram(recoveryBounds);
        agent.recoveries.observe(details.verifiedAfterMs / 1000);
      } else if (/^generation\.(rolled-back|rollback-failed|rollback-abandoned)$/.test(action)) {
        add(this.#rollbacks, action.slice("generation.".length));
      }
    }
  }

  countRoutines(records: readonly LedgerRecord[]): void {
    for (const { action, subject, details } of records) {
      if (!action.startsWith("routine.")) continue;
      const routine = this.#routine(subject);
      if (action === "routine.finished") add(routine.runs, String(details.outcome));
      else if (action === "routine.retried") routine.retries += 1;
      else if (action === "routine.missed") routine.missed += 1;
      else if (action === "routine.queued") add(routine.overlaps, "queued");
      else if (action === "routine.skipped" && details.why === "overlap") add(routine.overlaps, "skipped");
      else if (action === "routine.dropped" && !["removed", "stopped"].includes(String(details.why)))
        add(routine.overlaps, "dropped");
      else if (
        action === "routine.started" &&
        details.attempt === 1 &&
        typeof details.latenessMs === "number"
      ) {
        routine.lateness ??= new Histogram(latenessBounds);
        routine.lateness.observe(Math.max(0, details.latenessMs) / 1000);
      }
    }
  }

  /** Lets go of what no generation declares any more. */
  keep(agents: ReadonlySet<string>, routines: ReadonlySet<string>): void {
    for (const name of this.#agents.keys()) if (!agents.has(name)) this.#agents.delete(name);
    for (const name of this.#routines.keys()) if (!routines.has(name)) this.#routines.delete(name);
  }

  #agent(name: string): OfAgent {
    const found = this.#agents.get(name) ?? { restarts: {}, recoveries: null };
    this.#agents.set(name, found);
    return found;
  }

  #routine(name: string): OfRoutine {
    const found = this.#routines.get(name) ?? {
      runs: {},
      overlaps: {},
      retries: 0,
      missed: 0,
      lateness: null,
    };
    this.#routines.set(name, found);
    return found;
  }
}

function add(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1;
}
