import type { RoutinePolicy } from "./policy.ts";
import type { Counts } from "./results.ts";
import { RoutineMap } from "./routine-map.ts";

/** Everything that the core remembers. A journal can keep it: see durable.ts. */
export interface RoutinesState {
  /** Random, and new where the state is: makes run ids unique for all time. */
  readonly epoch: string;
  readonly nextId: number;
  /** The boot in which the monotonic instants in here mean something. */
  readonly bootId: string | null;
  /** Whether this watchd knows what runs. Until then nothing is started. */
  readonly surveyed: boolean;
  /** Every entry of the ledger up to this one has been looked at. Null: none is of interest yet. */
  readonly ledgerSeq: number | null;
  readonly routines: RoutineMap;
}

export interface RoutineState {
  readonly policy: RoutinePolicy;
  /** Whether the current generation has it; one that it has not stays until its runs have ended. */
  readonly declared: boolean;
  readonly pause: Pause | null;
  /** Every time up to this one has been decided on. Wall clock, Unix ms. */
  readonly decidedUpTo: number;
  /** The first time after it. Null: never. */
  readonly nextAt: number | null;
  /**
   * Stretches of time of which every time was fired or skipped, the newest last; that one grows up to `decidedUpTo`. What
   * lies between them was missed. So a corrected clock can show a time again, and it is known.
   */
  readonly spans: readonly Span[];
  /** Firings that wait for their jitter to pass. */
  readonly delayed: readonly Delayed[];
  /** Firings that wait for a place, in their order. */
  readonly queue: readonly Firing[];
  readonly runs: readonly RunState[];
  /** The last run that was over. */
  readonly last: LastRun | null;
  /** Of the last runs that succeeded and told one, the newest last. */
  readonly results: readonly Counts[];
}

export interface LastRun {
  readonly run: string;
  readonly outcome: Outcome;
  /** Unix ms. */
  readonly at: number;
}

/** What a run came to: `succeeded` and `failed` are events to other routines. */
export type Outcome = "succeeded" | "failed" | "replaced" | "stopped";

/** Unix ms; `from` itself is not in it. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

export interface Pause {
  readonly by: string;
  readonly why: string;
  /** Unix ms. */
  readonly since: number;
}

export type TriggerKind = "schedule" | "catch-up" | "boot" | "event" | "person";

/** Who or what a firing comes from. */
export interface Origin {
  /** The event or the person. */
  readonly cause: string | null;
  /** Id of what asked for it, by which its answer and its input are found. */
  readonly request: string | null;
}

/** One decision that a run is to come about. Its `id` becomes the run's. */
export interface Firing extends Origin {
  readonly id: string;
  /** Number of the firing among all: those that wait for one group get it in this order. */
  readonly order: number;
  readonly trigger: TriggerKind;
  /** The time for which it is: of the schedule, or of what triggered it. Unix ms. */
  readonly nominal: number;
  /** Latest start. Unix ms. */
  readonly deadline: number | null;
  /** Whether it was told that it waits for a place. */
  readonly told: boolean;
}

export interface Delayed {
  readonly firing: Firing;
  /** When the jitter has passed: on the wall clock, and in this boot on the monotonic one. */
  readonly until: number;
  readonly untilMono: number;
}

/**
 * - `starting`: a start is on its way
 * - `running`
 * - `stopping`: a stop is on its way, for the reason in `stopFor`
 * - `backoff`: has failed, and is started again at `retryAt`
 */
export type RunPhase = "starting" | "running" | "stopping" | "backoff";

export type StopReason = "timeout" | "replaced" | "person";

export interface RunState {
  readonly firing: Firing;
  readonly phase: RunPhase;
  /** From 1. */
  readonly attempt: number;
  /** When this attempt was decided on: a list of what runs from before it says nothing about it. Monotonic. */
  readonly askedAt: number;
  /** Start of the first attempt, Unix ms. */
  readonly began: number;
  /** Monotonic; of this attempt. */
  readonly startedAt: number | null;
  readonly stopFor: StopReason | null;
  /** What it has told so far, in any of its attempts. */
  readonly result: Counts | null;
  /** Monotonic. Of `backoff`: the next attempt; of `stopping`: when a stop that failed is asked for again. */
  readonly retryAt: number | null;
}

export function initialRoutines(epoch: string): RoutinesState {
  return { epoch, nextId: 1, bootId: null, surveyed: false, ledgerSeq: null, routines: RoutineMap.empty };
}
