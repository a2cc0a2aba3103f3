import type { AgentManifest, WatchdogPolicy } from "@daruma/config";
import type { Instant, KnownGood } from "../ports.ts";

/** The part of an agent's manifest that judgement needs; commands and environments stay out of the journal. */
export type AgentPolicy = Pick<
  AgentManifest,
  "digest" | "startupMs" | "health" | "restart" | "limits" | "stop" | "escalate" | "required"
>;

/**
 * - `stopped`: nothing runs, nothing is due
 * - `starting`: a start is on its way
 * - `verifying`: runs, and has yet to prove itself
 * - `healthy`: has proven itself
 * - `stopping`: a stop is on its way; `afterStop` says what follows
 * - `backoff`: will be started at `restartAt`; without one, when the rollback it waits for has been settled
 * - `completed`: ended by itself as its restart policy allows
 * - `failed`: ended badly, and its restart policy is `never`
 */
export type Phase =
  | "stopped"
  | "starting"
  | "verifying"
  | "healthy"
  | "stopping"
  | "backoff"
  | "completed"
  | "failed";

export type FailureCause = "crash" | "unhealthy" | "memory" | "start-failed" | "dependency";

/** One recovery, from the first failure to the proof of health. All its ledger entries share `id`. */
export interface Incident {
  readonly id: string;
  readonly since: Instant;
  /** Value of `State.turn` at the first failure: orders it against switches whatever the clocks do. */
  readonly sinceTurn: number;
  readonly cause: FailureCause;
  readonly restarts: number;
  /** An automatic rollback was decided for this incident; there is never a second one. */
  readonly rolledBack: boolean;
  readonly alerted: boolean;
}

export interface RunState {
  readonly runId: string;
  readonly digest: string;
  readonly started: Instant;
  /** First passing probe of this run. */
  readonly served: Instant | null;
}

export interface AgentState {
  readonly policy: AgentPolicy;
  /** Whether the current generation has it; one that it has not is on its way out. */
  readonly declared: boolean;
  readonly phase: Phase;
  readonly run: RunState | null;
  /** The run that is being started, or the last one that ended: late news of it is stale. */
  readonly startingRun: { readonly runId: string; readonly digest: string } | null;
  readonly endedRun: string | null;
  readonly afterStop: "recover" | "replace" | "remove" | null;
  /** Monotonic instant of the next start (`backoff`), or of the next try to stop (`stopping`). */
  readonly restartAt: number | null;
  readonly incident: Incident | null;
  /** Monotonic instants of the failures that count, oldest first, within the policy's window. */
  readonly failures: readonly number[];
  readonly failuresInGeneration: number;
  readonly provenInGeneration: boolean;
  /** Consecutive faults that came from outside; they lengthen the backoff and count for nothing else. */
  readonly externalFaults: number;
  /** Restarting did not help and nothing is eligible: tried again at the longest backoff. */
  readonly held: boolean;
  /** What the agent itself says that it waits for. */
  readonly waitsFor: string | null;
  readonly probe: ProbeState;
}

/** Lives in memory only: after a restart of watchd probing begins anew. */
export interface ProbeState {
  readonly nextAt: number | null;
  readonly outstanding: boolean;
  readonly sent: number;
  readonly passes: number;
  readonly failing: number;
}

export interface GenerationState {
  readonly number: number;
  readonly path: string;
  readonly hostDigest: string;
  readonly watchdog: WatchdogPolicy;
  readonly activated: Instant;
  readonly activatedTurn: number;
}

export interface Rollback {
  readonly id: string;
  readonly by: "watchd" | "operator";
  readonly from: string;
  readonly target: string;
  readonly targetNumber: number | null;
  /** The agent whose failure asked for it; null for an operator's. */
  readonly agent: string | null;
  readonly incident: string | null;
  readonly decided: Instant;
  readonly attempts: number;
}

/** A generation that was rolled back from: never a target again, refused at deploy until a person allows it. */
export interface Quarantined {
  readonly path: string;
  readonly number: number;
  readonly agent: string;
  readonly digest: string;
  readonly incident: string;
  /** Unix time in milliseconds. */
  readonly at: number;
}

export interface State {
  readonly schemaVersion: 1;
  /** Random, made once with the state directory; run and incident ids begin with it. */
  readonly epoch: string;
  readonly bootId: string;
  /** Counts events: a clock that nothing can step. */
  readonly turn: number;
  readonly nextId: number;
  /** State of the generator that jitter is drawn from. */
  readonly random: number;
  readonly generation: GenerationState | null;
  readonly agents: Readonly<Record<string, AgentState>>;
  readonly knownGood: readonly KnownGood[];
  /** Store paths whose closure did not verify: not targets any more. */
  readonly rejected: readonly string[];
  /** Monotonic instant since which every required agent has been healthy; null while one is not. */
  readonly provenSince: number | null;
  readonly promotion: "pending" | "verifying" | "done";
  readonly rollback: Rollback | null;
  /** Store path -> automatic rollbacks that have left it. */
  readonly spentBudget: Readonly<Record<string, number>>;
  readonly quarantine: readonly Quarantined[];
  /** False from boot until what is alive has been listed: nothing is started or stopped before that. */
  readonly surveyed: boolean;
  /** Everything is being stopped for good; nothing is started any more. */
  readonly draining: boolean;
}

export function initialState(options: { epoch: string; bootId: string; seed: number }): State {
  return {
    schemaVersion: 1,
    epoch: options.epoch,
    bootId: options.bootId,
    turn: 0,
    nextId: 1,
    random: options.seed >>> 0,
    generation: null,
    agents: {},
    knownGood: [],
    rejected: [],
    provenSince: null,
    promotion: "pending",
    rollback: null,
    spentBudget: {},
    quarantine: [],
    surveyed: false,
    draining: false,
  };
}

export const noProbe: ProbeState = { nextAt: null, outstanding: false, sent: 0, passes: 0, failing: 0 };

export function initialAgent(policy: AgentPolicy): AgentState {
  return {
    policy,
    declared: true,
    phase: "stopped",
    run: null,
    startingRun: null,
    endedRun: null,
    afterStop: null,
    restartAt: null,
    incident: null,
    failures: [],
    failuresInGeneration: 0,
    provenInGeneration: false,
    externalFaults: 0,
    held: false,
    waitsFor: null,
    probe: noProbe,
  };
}
