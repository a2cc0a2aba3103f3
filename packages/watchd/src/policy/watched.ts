import type { Excess } from "./usage.ts";

/* What is known of a run by watching it. */

/** Lives in memory only: after a restart of watchd probing begins anew. */
export interface ProbeState {
  readonly nextAt: number | null;
  readonly outstanding: boolean;
  readonly sent: number;
  /** Monotonic instant at which the last one was sent. */
  readonly sentAt: number | null;
  readonly passes: number;
  /** In a row. */
  readonly failing: number;
  /** Monotonic instant at which the first of those was answered; without meaning where there are none. */
  readonly failingSince: number | null;
  /** Which of the newest probes since it was proven have failed: values of `sent`, oldest first. */
  readonly misses: readonly number[];
}

/** When the run was last heard of. Lives in memory only: silence counts from watchd's own start. */
export interface PulseState {
  /** Monotonic instant of its last word; without one, since which it is listened for. */
  readonly since: number | null;
  /** Whether there was a word. */
  readonly heard: boolean;
  /** Monotonic instant at which its silence was found to be too long; it has a moment left to be heard in. */
  readonly doubtedAt: number | null;
}

export const noProbe: ProbeState = {
  nextAt: null,
  outstanding: false,
  sent: 0,
  sentAt: null,
  passes: 0,
  failing: 0,
  failingSince: null,
  misses: [],
};

export const noPulse: PulseState = { since: null, heard: false, doubtedAt: null };

/** What a run says of its work. Lives in memory only, as heartbeats do. */
export interface WorkState {
  /** Monotonic instant until which it has nothing to do; null where it has not said so. */
  readonly idleUntil: number | null;
  /** Monotonic instant at which its counter rose last; before the first word, since which it is listened for. */
  readonly since: number | null;
  readonly count: number | null;
  /** Monotonic instant at which it was found to be stuck; it has a moment left to be heard in. */
  readonly doubtedAt: number | null;
}

export const noWork: WorkState = { idleUntil: null, since: null, count: null, doubtedAt: null };

/** An excess that waits for a moment that suits the agent. */
export interface PendingRestart {
  readonly excess: Excess;
  readonly since: number;
  /** Such a moment was there, but others were starting up: monotonic instant at which it looks again. */
  readonly againAt?: number;
}

/** A dependency that an agent declares and that is not reached, or was not a moment ago. */
export interface Lacking {
  /** Monotonic instant until which it still explains a failure, once it is reached again; null before. */
  readonly until: number | null;
}
