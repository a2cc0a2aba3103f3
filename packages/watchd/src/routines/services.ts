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

/** What the runs of routines run on: child processes under `agentctl dev`. */
export interface RoutineServices {
  /** Every run that is alive, also those that an earlier watchd has started; they are watched from then on. */
  list(): Promise<readonly RunName[]>;
  /** Resolves once the process exists. Rejects with a catalogue error; then nothing was left running. */
  start(start: RunStart): Promise<void>;
  /** Resolves once nothing of the run is left; a run that is gone already is no error. */
  stop(run: RunName, policy: StopPolicy): Promise<void>;
  /** Called once for each attempt that ends, stopped or not. */
  onExit(listener: (exit: RunName & { readonly cause: ExitCause }) => void): void;
  /** Resident memory in bytes of the runs asked for that are alive, by run. */
  memory(runs: readonly RunName[]): Promise<ReadonlyMap<string, number>>;
  /** Stops watching. Runs go on. */
  close(): Promise<void>;
}
