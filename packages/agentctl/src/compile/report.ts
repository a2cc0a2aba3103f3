import type { Problem } from "@daruma/base";
import type { Fleet } from "@daruma/config";
import type { Judged } from "../lint/silence.ts";
import type { compileErrors } from "./catalogue.ts";

/** What the process that evaluates a fleet file tells the one that started it: one line of JSON on descriptor 3. */
export type Report = FleetReport | InvalidReport | FailureReport;

interface Traced {
  /** Files that were loaded, the fleet file among them; packages in node_modules are left out. */
  readonly dependencies: readonly string[];
}

interface FleetReport extends Traced {
  readonly kind: "fleet";
  readonly fleet: Fleet;
  /** Present when they were asked for. */
  readonly lints?: Judged;
}

interface InvalidReport extends Traced {
  readonly kind: "invalid";
  readonly problems: readonly [Problem, ...Problem[]];
}

interface FailureReport extends Traced, Failure {
  readonly kind: "failure";
}

/** Why there is no fleet. */
export interface Failure {
  readonly code: keyof typeof compileErrors.catalogue;
  readonly message: string;
  readonly place?: Place;
}

/** A place in a user's file; lines and columns count from 1. */
export interface Place {
  readonly file: string;
  readonly line?: number;
  readonly column?: number;
}

/** The descriptor on which the report is written: neither stdout nor stderr, which belong to the user's code. */
export const reportDescriptor = 3;

/** The second argument of an evaluator that looks also for what is allowed and bites. */
export const lintArgument = "lint";

/** The hidden first argument on which a program of ours turns into the evaluator of a fleet file. */
export const evaluatorArgument = "__evaluate";
