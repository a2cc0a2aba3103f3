import type { BackoffPolicy, Expectations, StopPolicy } from "@daruma/config";

/** What of a routine's definition judgement needs; commands and environments stay out of it. */
export interface RoutinePolicy {
  /** Changes exactly when a deploy changed what the routine runs. */
  readonly digest: string;
  /** Each is due by itself; a time that several name is one firing. */
  readonly schedules: readonly ScheduleText[];
  /** Fires once for each boot of the machine. */
  readonly atBoot: boolean;
  /** Names of events that fire it, such as `routine.succeeded:extract`; see `eventOf`. */
  readonly events: readonly string[];
  readonly missed: MissedPolicy;
  readonly overlap: OverlapPolicy;
  /** A firing by schedule is put off by a share of this that depends on the routine and the time alone. In ms. */
  readonly jitterMs: number;
  /** A run that has not started this long after its nominal time is dropped. Null: it may start however late. */
  readonly deadlineMs: number | null;
  /** At most one run of all the routines in a group is active at a time. */
  readonly group: string | null;
  /** How many times a run that failed is started again. */
  readonly retries: number;
  readonly backoff: BackoffPolicy;
  /** How long one attempt may take. */
  readonly timeoutMs: number | null;
  readonly expect: Expectations;
  readonly stop: StopPolicy;
}

export interface ScheduleText {
  /** As in docs/concepts/schedules.md. */
  readonly expression: string;
  /** IANA name. */
  readonly timezone: string;
}

/** What becomes of times that passed while nobody could fire them. */
export interface MissedPolicy {
  /** Nothing; one run, for the last of them; a run for each, in order. */
  readonly run: "skip" | "one" | "all";
  /** Times that are longer ago than this are never caught up. In ms. */
  readonly withinMs: number;
}

/** What becomes of a firing while the routine has an active run. A run that waits for its retry is active. */
export type OverlapPolicy =
  | { readonly kind: "skip" }
  /** It waits, after at most `limit - 1` others. */
  | { readonly kind: "queue"; readonly limit: number }
  /** At most `limit` at once; what is beyond is skipped. */
  | { readonly kind: "parallel"; readonly limit: number }
  /** The active run is stopped, and what waited is dropped. */
  | { readonly kind: "replace" };

/** The event that a matching entry of the ledger is; null for whatever it is about. */
export function entryEvent(action: string, subject: string | null): string {
  return `ledger:${action} ${subject ?? "*"}`;
}

/** The event that something new in a file or directory is. */
export function fileEvent(path: string): string {
  return `file:${path}`;
}

export type RoutineOutcome = "succeeded" | "failed";

/** The event that the end of a run is to other routines. */
export function eventOf(routine: string, outcome: RoutineOutcome): string {
  return `routine.${outcome}:${routine}`;
}
