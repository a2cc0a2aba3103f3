import type { RoutineManifest, StopPolicy } from "@daruma/config";
import type { ExitCause } from "../ports.ts";

/** One run among all of a host. Its attempts follow one another: at most one of them is alive. */
export interface RunName {
  readonly routine: string;
  readonly run: string;
}

export interface RunStart extends RunName {
  /** From 1. */
  readonly attempt: number;
  readonly manifest: RoutineManifest;
  /** What the run is told about itself, beside what the manifest declares. */
  readonly environment: Readonly<Record<string, string>>;
}

/** The end of an attempt. */
export interface RoutineExit extends RunName {
  /** Null where it is not known which. */
  readonly attempt: number | null;
  readonly cause: ExitCause;
}

/** What the runs of routines run on: systemd on a host, child processes under `agentctl dev`. */
export interface RoutineServices {
  /** Every run that is alive, also those that an earlier watchd has started; they are watched from then on. */
  list(): Promise<readonly RunName[]>;
  /** Resolves once the process exists. Rejects with a catalogue error; then nothing was left running. */
  start(start: RunStart): Promise<void>;
  /** Resolves once nothing of the run is left; a run that is gone already is no error. */
  stop(run: RunName, policy: StopPolicy): Promise<void>;
  /**
   * Called for each attempt that ends, stopped or not. Of one whose end an earlier watchd may have told, it is called again:
   * whether that watchd could make it durable, nobody knows.
   */
  onExit(listener: (exit: RoutineExit) => void): void;
  /** Resident memory in bytes of the runs asked for that are alive, by run; of none where the system itself keeps the limit. */
  memory(runs: readonly RunName[]): Promise<ReadonlyMap<string, number>>;
  /** Resolves when runs may be started: no switch to another generation is under way. */
  settled(): Promise<void>;
  /** Forgets what is left of runs that have ended, but for those that are `active`: they may be started again. */
  keep(active: ReadonlySet<string>): Promise<void>;
  /** The unit under which the journal has what a run writes; null where it writes to a file. */
  journalOf(run: RunName): string | null;
  /** Stops watching. Runs go on. */
  close(): Promise<void>;
}
