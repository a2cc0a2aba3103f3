import type { ChildProcess } from "node:child_process";
import { constants } from "node:os";
import type { ExitCause, Run } from "../ports.ts";
import type { RunIdentity } from "./membership.ts";
import type { ProcessInfo } from "./process-table.ts";

/** A run that we watch, from its start or adoption until nothing of it is left. */
export interface TrackedRun extends RunIdentity {
  readonly run: Run;
  /** The directory of what runs. */
  readonly home: string;
  /** `null` for an adopted run, which is watched through /proc. */
  readonly child: ChildProcess | null;
  /** Settles when the first process is gone. */
  readonly exited: Promise<void>;
  readonly markExited: () => void;
  /** By pid, its processes at the last look that have not been seen to be gone. */
  readonly seen: Map<number, ProcessInfo>;
  /** The first process is gone: no longer a run, though others of its processes may be left. */
  ended: boolean;
  /** Under way until nothing is left; from then on the run is no longer tracked. */
  ending: Ending | null;
}

export interface Ending {
  /** On `performance.now()`'s scale: when patience ends and SIGKILL begins. May be moved forward. */
  deadline: number;
  /** Whether SIGKILL was needed. */
  readonly done: Promise<boolean>;
}

export interface TrackOptions {
  readonly run: Run;
  readonly home: string;
  readonly startTicks: number;
  readonly sessionTrusted: boolean;
  readonly child: ChildProcess | null;
}

export function trackedRun(options: TrackOptions): TrackedRun {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { runId, pid } = options.run;
  return {
    ...options,
    runId,
    pid,
    exited: promise,
    markExited: resolve,
    seen: new Map(),
    ended: false,
    ending: null,
  };
}

export function causeOfChild(code: number | null, signal: string | null): ExitCause {
  if (signal !== null) return { kind: "signal", signal };
  return code === null ? { kind: "unknown" } : { kind: "exit", code };
}

/**
 * How an adopted run ended. Only its parent can wait for it; yet where the parent never does (a container whose first
 * process reaps nobody) the zombie stays and tells. A zero may also mean "not for your eyes", so it stays unknown.
 */
export function causeOfZombie(zombie: ProcessInfo | null): ExitCause {
  if (zombie === null || zombie.waitStatus === 0) return { kind: "unknown" };
  const number = zombie.waitStatus & 0x7f;
  if (number === 0) return { kind: "exit", code: (zombie.waitStatus >> 8) & 0xff };
  const signal = Object.entries(constants.signals).find(([, value]) => value === number)?.[0];
  return signal === undefined ? { kind: "unknown" } : { kind: "signal", signal };
}
