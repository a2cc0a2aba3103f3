import type { LedgerRecord } from "../policy/events.ts";
import type { ExitCause } from "../ports.ts";
import type { RoutinePolicy } from "./policy.ts";
import type { Counts } from "./results.ts";
import type { RoutinesState } from "./state.ts";

/** An event that routines may wait for. */
export interface Occurred {
  /** As in `RoutinePolicy.events`. */
  readonly name: string;
  /** For the records: what exactly it was. */
  readonly cause: string;
}

/** What the core of the routines is told. */
export type RoutineEvent =
  /** watchd has come up; `bootId` tells whether the machine has, too. */
  | { readonly type: "boot"; readonly bootId: string }
  /** What the current generation declares. */
  | { readonly type: "routines"; readonly policies: Readonly<Record<string, RoutinePolicy>> }
  /** Every run that is alive, as listed at the monotonic instant `takenAt` or later. */
  | {
      readonly type: "runs";
      readonly runs: readonly { readonly routine: string; readonly run: string }[];
      readonly takenAt: number;
    }
  /** Something happened that routines may wait for; `name` as in `RoutinePolicy.events`, `cause` more precisely. */
  | { readonly type: "occurred"; readonly name: string; readonly cause?: string }
  /** Entries of the ledger up to `upTo` have been looked at; `found` are events that routines may wait for. */
  | { readonly type: "entries"; readonly upTo: number; readonly found: readonly Occurred[] }
  /** A request from outside that is proven wants a run of this one routine; a paused one skips it. */
  | {
      readonly type: "request";
      readonly routine: string;
      readonly cause: string;
      readonly request: string;
    }
  /** A person wants a run now, paused or not. */
  | { readonly type: "run-now"; readonly routine: string; readonly by: string; readonly request: string }
  | { readonly type: "pause"; readonly routine: string; readonly by: string; readonly why: string }
  | { readonly type: "resume"; readonly routine: string; readonly by: string }
  /** A person wants a run to end, or (null) every run of the routine that is active or waits. */
  | { readonly type: "stop"; readonly routine: string; readonly run: string | null; readonly by: string }
  | { readonly type: "started"; readonly routine: string; readonly run: string }
  | {
      readonly type: "start-failed";
      readonly routine: string;
      readonly run: string;
      readonly code: string;
      readonly message: string;
    }
  /** `attempt` null: whichever is there. The end of an attempt that is not the current one is known already. */
  | {
      readonly type: "exited";
      readonly routine: string;
      readonly run: string;
      readonly attempt?: number | null;
      readonly cause: ExitCause;
    }
  | { readonly type: "stop-failed"; readonly routine: string; readonly run: string; readonly message: string }
  /** The run has told what it has done so far; later counts replace those of the same name. */
  | { readonly type: "result"; readonly routine: string; readonly run: string; readonly counts: Counts }
  | { readonly type: "tick" };

/**
 * What the core asks for. The end of a start is `started` or `start-failed`; that of a stop is the run's `exited`, or
 * `stop-failed`.
 */
export type RoutineCommand =
  /** The same run with a higher attempt is to find its checkpoint again. */
  | {
      readonly type: "start";
      readonly routine: string;
      readonly run: string;
      readonly attempt: number;
      readonly digest: string;
      readonly nominal: number;
    }
  | { readonly type: "stop"; readonly routine: string; readonly run: string };

export interface RoutineStep {
  readonly state: RoutinesState;
  readonly commands: readonly RoutineCommand[];
  readonly records: readonly LedgerRecord[];
}
