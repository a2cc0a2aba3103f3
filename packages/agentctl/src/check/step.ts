import type { Problem } from "@daruma/base";
import type { Silenced } from "../lint/silence.ts";

export interface CheckOptions {
  /** The fleet file, absolute. */
  readonly configFile: string;
  /** The directory of generated files, absolute; `null` where they are not committed and so not checked. */
  readonly out: string | null;
  /** PATH, in which a TypeScript compiler and Nix are looked for. */
  readonly path: string;
  /** What places are told relative to. */
  readonly cwd: string;
  readonly signal: AbortSignal;
}

/** One thing that was looked at. Skipped: what it takes is not there, which is told and is no failure. */
export interface Step {
  readonly name: StepName;
  readonly state: "passed" | "failed" | "skipped";
  readonly detail: string | null;
}

export type StepName = "types" | "fleet" | "sources" | "lints" | "generated" | "nix";

export interface Checked {
  readonly steps: readonly Step[];
  readonly problems: readonly Problem[];
  readonly silenced: readonly Silenced[];
}

/** What a step comes to: problems, or why it was skipped. */
export type Outcome = readonly Problem[] | { readonly skipped: string };
