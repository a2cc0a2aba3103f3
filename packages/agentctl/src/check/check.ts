import { dirname, join, relative } from "node:path";
import { type DarumaError, isDarumaError, type Problem } from "@daruma/base";
import type { Fleet } from "@daruma/config";
import {
  checkGenerated,
  compileErrors,
  compileFleet,
  evaluateFleet,
  loadTemplates,
  sourceError,
  staleError,
} from "../compile/index.ts";
import { checkNix } from "./nix.ts";
import type { Checked, CheckOptions, Outcome, Step, StepName } from "./step.ts";
import { checkTypes } from "./types.ts";

/** Looks at everything that can be wrong with a fleet before it is deployed; one failing step does not hide another. */
export async function checkFleet(options: CheckOptions): Promise<Checked> {
  const { configFile, out, signal } = options;
  const types = checkTypes(options);
  const evaluation = await evaluateFleet({ configFile, signal, lint: true });
  const steps: Step[] = [];
  const problems: Problem[] = [];
  const add = (name: StepName, outcome: Outcome) => {
    steps.push(stepOf(name, outcome));
    if (!("skipped" in outcome)) problems.push(...outcome);
  };
  add("types", await types);
  if (!evaluation.ok) {
    add("fleet", problemsOf(evaluation.error, "fleet"));
    const skipped = "the fleet file gives no fleet";
    for (const name of ["sources", "lints", "generated", "nix"] as const) add(name, { skipped });
    return { steps, problems, silenced: [] };
  }
  const { fleet, lints, sources } = evaluation;
  add("fleet", []);
  add("sources", sources.length === 0 ? [] : problemsOf(sourceError(sources, configFile), "sources"));
  add("lints", lints.findings);
  const compiled = await compileHere(fleet, options);
  if (isDarumaError(compiled)) {
    add("generated", problemsOf(compiled, "generated"));
    add("nix", { skipped: "the fleet does not compile" });
  } else {
    add(
      "generated",
      out === null ? { skipped: "--no-generated" } : await checkCurrent(out, compiled, options.cwd),
    );
    add("nix", await checkNix(compiled, fleet, options));
  }
  return { steps, problems, silenced: lints.silenced };
}

/** The error with which `agentctl check` ends. */
export function checkError(problems: readonly Problem[], where: string): DarumaError {
  const count = problems.length === 1 ? "a problem" : `${problems.length} problems`;
  return compileErrors.make("CHECK_E_FAILED", `check found ${count}`, {
    where,
    problems: problems.toSorted(byPlace),
  });
}

/** As a person goes through the files: what two steps say of one line is read together. What has no place comes last. */
function byPlace({ place: a }: Problem, { place: b }: Problem): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
  if (a.file !== b.file) return a.file < b.file ? -1 : 1;
  return a.line - b.line || a.column - b.column;
}

function stepOf(name: StepName, outcome: Outcome): Step {
  if ("skipped" in outcome) return { name, state: "skipped", detail: outcome.skipped };
  const count = outcome.length;
  if (count === 0) return { name, state: "passed", detail: null };
  return { name, state: "failed", detail: count === 1 ? "1 problem" : `${count} problems` };
}

/** The generated files, or why there are none. */
async function compileHere(fleet: Fleet, { configFile, out }: CheckOptions) {
  const directory = out ?? join(dirname(configFile), "generated");
  const templates = await loadTemplates();
  try {
    return compileFleet(fleet, { configFile, out: directory, templates });
  } catch (error) {
    if (isDarumaError(error)) return error;
    throw error;
  }
}

async function checkCurrent(out: string, files: ReadonlyMap<string, string>, cwd: string): Promise<Outcome> {
  return caught("generated", async () => {
    const differences = await checkGenerated(out, files);
    const shown = differences.map((each) => ({ ...each, path: relative(cwd, join(out, each.path)) }));
    if (shown.length > 0) throw staleError(relative(cwd, out) || out, shown);
  });
}

async function caught(subject: string, action: () => Promise<void>): Promise<readonly Problem[]> {
  try {
    await action();
    return [];
  } catch (error) {
    if (!isDarumaError(error)) throw error;
    return problemsOf(error, subject);
  }
}

/** The problems of an error, each with a code; an error without any is one itself. What has no code of its own has the error's remedy. */
function problemsOf({ code, hint, message, problems, where }: DarumaError, subject: string): Problem[] {
  const all = problems.length > 0 ? problems : [{ path: where ?? subject, message }];
  return all.map((problem) =>
    problem.code === undefined ? { ...problem, code, message: `${problem.message}. ${hint}` } : problem,
  );
}
