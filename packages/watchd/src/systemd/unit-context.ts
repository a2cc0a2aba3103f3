import type { StopPolicy } from "@daruma/config";
import type { Run, RunExit } from "../ports.ts";
import type { Surroundings } from "./binding.ts";
import type { BindingFiles } from "./binding-files.ts";
import type { Edges } from "./edges.ts";
import type { HeldFiles } from "./held-files.ts";
import type { Systemctl } from "./systemctl.ts";
import type { Traces } from "./traces.ts";

/** For SIGKILL to be heeded, and the hook to run. */
export const stopSlackMs = 30_000;

/** SIGKILL is sent after the grace time, and has as long itself. */
export function stopWithinMs({ graceMs }: StopPolicy): number {
  return 2 * graceMs + stopSlackMs;
}

/** What the unit of an agent works with, and whom it tells. */
export interface UnitContext {
  readonly systemctl: Systemctl;
  readonly traces: Traces;
  readonly edges: Edges;
  readonly files: BindingFiles;
  readonly held: HeldFiles;
  readonly surroundings: () => Surroundings;
  /** The error where somebody answers on the port of a health check. */
  readonly checkPort: (agent: string, url: string) => Promise<Error | null>;
  readonly cgroupRoot: string;
  readonly holdAfterMs: number;
  readonly traceWithinMs: number;
  readonly isSwitching: () => boolean;
  readonly onExit: (exit: RunExit) => void;
  /** Somebody has asked the run to stop; told once. */
  readonly onAsked: (run: Pick<Run, "agent" | "runId">) => void;
  readonly onFound: () => void;
  readonly log: (message: string) => void;
}
