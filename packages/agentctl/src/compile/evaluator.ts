import { spawnSync } from "node:child_process";
import { readFileSync, realpathSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { isDeepStrictEqual } from "node:util";
import type { Problem, SourcePlace } from "@daruma/base";
import * as config from "@daruma/config";
import { lintFleet } from "../lint/lints.ts";
import { silence } from "../lint/silence.ts";
import { type Located, locateFleet } from "../locate/session.ts";
import { explainFailure, headPlace } from "./failure.ts";
import { type ModuleTrace, traceModules } from "./module-trace.ts";
import {
  evaluatorArgument,
  type Failure,
  lintArgument,
  type Place,
  packFleet,
  type Report,
  reportDescriptor,
} from "./report.ts";
import { sourceProblems } from "./sources.ts";

/**
 * The whole program of the process that evaluates a fleet file: loads it, decodes what it exports, writes one report to
 * descriptor 3 and exits. It never returns to its caller.
 *
 * @param argv the arguments after `__evaluate`: the absolute path of the fleet file, and `lint` if it is to be linted.
 */
export async function runEvaluator(argv: readonly string[]): Promise<never> {
  const [file, mode] = argv;
  if (file === undefined) throw new Error(`${evaluatorArgument} needs the path of a fleet file`);
  const url = pathToFileURL(realpathSync(file)).href;
  const trace = traceModules(url, config);
  // What the end is if looking for places fails, as it can only for a fleet file that is not the same twice.
  const known: { finding?: Finding } = {};
  const failure = (found: Failure): never => finish(trace, known.finding ?? { kind: "failure", ...found });
  const fail = (error: unknown): never => failure(explain(error, trace));
  // Errors in timers and forgotten promises of the user's code would end the process without a report.
  process.on("uncaughtException", fail);
  process.on("unhandledRejection", fail);
  process.on("beforeExit", () => failure(neverSettled(file)));
  try {
    const exported: unknown = await import(url);
    const lint = mode === lintArgument;
    const judged = await judge(exported, file);
    const finding = lint ? await withSources(judged, file) : judged;
    known.finding = lint ? unrepeated(finding) : finding;
    return finish(trace, await lookAgain(finding, lint, url));
  } catch (error) {
    return fail(error);
  }
}

type Reported = Report extends infer R ? (R extends Report ? Omit<R, "dependencies"> : never) : never;
type Finding =
  | Exclude<Reported, { readonly kind: "fleet" }>
  | (Omit<Extract<Reported, { readonly kind: "fleet" }>, "fleet"> & { readonly fleet: config.Fleet });

/** What the exports of a fleet file are: a fleet, one with problems, or none. */
export async function judge(exported: unknown, file: string): Promise<Finding> {
  const hasDefault = typeof exported === "object" && exported !== null && "default" in exported;
  if (!hasDefault) return wrongExport(file, "has no default export");
  const fleet: unknown = await exported.default;
  if (typeof fleet === "function") return wrongExport(file, "exports a function; export the fleet itself");
  if (typeof fleet !== "object" || fleet === null || Array.isArray(fleet)) {
    const what = Array.isArray(fleet)
      ? "a list"
      : fleet === null
        ? "null"
        : `a value of type ${typeof fleet}`;
    return wrongExport(file, `exports ${what} instead of a fleet`);
  }
  const decoded = config.decodeFleet(fleet);
  if (decoded.ok) return { kind: "fleet", fleet: decoded.fleet };
  return { kind: "invalid", problems: decoded.problems };
}

async function withSources(finding: Finding, file: string): Promise<Finding> {
  return finding.kind === "fleet"
    ? { ...finding, sources: await sourceProblems(finding.fleet, file) }
    : finding;
}

/** Adds to each problem where it is. Looking is not worth a failure: what is not found is left out. */
async function lookAgain(finding: Finding, lint: boolean, url: string): Promise<Finding> {
  if (finding.kind === "invalid") return withPlaces(finding, url);
  return finding.kind === "fleet" && lint ? withLints(finding, url) : finding;
}

async function withLints(finding: Extract<Finding, { kind: "fleet" }>, url: string): Promise<Finding> {
  const located = await locateFleet(url);
  const again = config.decodeFleet(located.fleet);
  if (!again.ok || !isDeepStrictEqual(again.fleet, finding.fleet)) return unrepeated(finding);
  const findings = lintFleet(finding.fleet).map((each) => ({ ...each, ...placed(each, located) }));
  const sources = (finding.sources ?? []).map((each) => ({ ...each, ...placed(each, located) }));
  return { ...finding, lints: silence(findings, located.files), sources };
}

/** What is found without a second look at the fleet file, because it is not the same then. */
function unrepeated(finding: Finding): Finding {
  if (finding.kind !== "fleet") return finding;
  const message = "is not the same when it is evaluated again";
  const unsteady = { code: "LINT_E_NOT_REPEATABLE", path: "hosts", message } as const;
  return { ...finding, lints: { findings: [unsteady, ...lintFleet(finding.fleet)], silenced: [] } };
}

function placed(problem: Problem, located: Located): { readonly place?: SourcePlace } {
  const place = located.placeOf(problem);
  return place === undefined ? {} : { place };
}

async function withPlaces(finding: Extract<Finding, { kind: "invalid" }>, url: string): Promise<Finding> {
  const located = await locateFleet(url);
  const again = config.decodeFleet(located.fleet);
  // A fleet file that is another one each time has no places that could be named.
  if (again.ok || !isDeepStrictEqual(again.problems, finding.problems)) return finding;
  const [first, ...others] = finding.problems;
  const place = (problem: Problem): Problem => ({ ...problem, ...placed(problem, located) });
  return { kind: "invalid", problems: [place(first), ...others.map(place)] };
}

function wrongExport(file: string, what: string): Finding {
  const message = `the fleet file ${what}`;
  return { kind: "failure", code: "COMPILE_E_CONFIG_EXPORT", message, place: { file } };
}

function neverSettled(file: string): Failure {
  const message =
    "the fleet file waits for something that never happens (a top-level await that does not settle)";
  return { code: "COMPILE_E_CONFIG_EXITED", message, place: { file } };
}

function explain(error: unknown, trace: ModuleTrace): Failure {
  return explainFailure(error, {
    files: trace.files,
    failedImport: trace.importOf(error),
    lastFile: trace.lastFile(),
    readFile: read,
    locateSyntaxError,
  });
}

function finish(trace: ModuleTrace, finding: Finding): never {
  const found = finding.kind === "fleet" ? { ...finding, fleet: packFleet(finding.fleet) } : finding;
  const report = { ...found, dependencies: [...trace.files].sort() };
  writeFileSync(reportDescriptor, `${JSON.stringify(report)}\n`);
  // The user's code may have left timers or servers behind, which would keep the process alive.
  process.exit(0);
}

/** Only a process that dies of a syntax error is told its place by Node, so one is made to. */
function locateSyntaxError(file: string): Place {
  const input = read(file);
  if (input === undefined || !/\.m?[jt]s$/.test(file)) return { file };
  const type = file.endsWith("ts") ? "module-typescript" : "module";
  const check = spawnSync(process.execPath, [`--input-type=${type}`, "--check"], { input, encoding: "utf8" });
  const place = headPlace(check.stderr);
  return place === undefined ? { file } : { ...place, file };
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
