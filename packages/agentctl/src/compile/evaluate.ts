import { type ChildProcess, spawn } from "node:child_process";
import { open, stat } from "node:fs/promises";
import { extname, relative, resolve } from "node:path";
import { Readable } from "node:stream";
import { type DarumaError, messageOf, type Problem } from "@daruma/base";
import { configErrors, type Fleet } from "@daruma/config";
import type { Judged } from "../lint/silence.ts";
import { placeInFile } from "../locate/file-place.ts";
import { compileErrors } from "./catalogue.ts";
import {
  evaluatorArgument,
  lintArgument,
  type Place,
  type Report,
  reportDescriptor,
  unpackFleet,
} from "./report.ts";

export interface EvaluateOptions {
  /** The fleet file, absolute or relative to the current directory. */
  readonly configFile: string;
  /**
   * The program of ours that calls `runEvaluator` when its first argument is `__evaluate`.
   *
   * @default this very program
   */
  readonly program?: Program;
  /** @default 30,000 */
  readonly timeoutMs?: number;
  /** Stops the evaluation; the promise is then rejected with the signal's reason. */
  readonly signal?: AbortSignal;
  /**
   * The descriptor that gets what the user's code writes to stdout and stderr.
   *
   * @default 2, our own stderr
   */
  readonly outputDescriptor?: number;
  /**
   * Looks also for what is allowed and bites in production, and whether the fleet's sources are there.
   *
   * @default false
   */
  readonly lint?: boolean;
}

export interface Program {
  readonly execPath: string;
  readonly args: readonly string[];
}

export type Evaluation = {
  /** The files that the result depends on, absolute; what a watcher watches, also after a failure. */
  readonly dependencies: readonly string[];
} & (
  | {
      readonly ok: true;
      readonly fleet: Fleet;
      readonly lints: Judged;
      /** What `checkSources` would say, with its places. */
      readonly sources: readonly Problem[];
    }
  | { readonly ok: false; readonly error: DarumaError }
);

/** How long, at most, the end of the process is ahead of what it wrote. */
const drainMs = 1_000;

const suffixes: readonly string[] = [".ts", ".mts", ".js", ".mjs"];

/**
 * Evaluates a fleet file in a process of its own: its modules are always fresh, what it prints goes to stderr, and whatever
 * it does (throw, exit, loop for ever) ends there. Whatever is wrong with the file is in the result, not thrown.
 */
export async function evaluateFleet(options: EvaluateOptions): Promise<Evaluation> {
  const file = resolve(options.configFile);
  const missing = await unreadable(file);
  if (missing !== undefined) return { ok: false, dependencies: [file], error: missing };
  const outcome = await runChild(file, options);
  if (typeof outcome !== "string") return { ok: false, dependencies: [file], error: outcome };
  return evaluationOf(JSON.parse(outcome) as Report, file);
}

/**
 * `evaluateFleet` for callers that cannot go on without a fleet.
 *
 * @throws CONFIG_E_INVALID, COMPILE_E_CONFIG_*
 */
export async function loadFleet(options: EvaluateOptions): Promise<Fleet> {
  const evaluation = await evaluateFleet(options);
  if (!evaluation.ok) throw evaluation.error;
  return evaluation.fleet;
}

function evaluationOf(report: Report, file: string): Evaluation {
  const dependencies = report.dependencies.length === 0 ? [file] : report.dependencies;
  switch (report.kind) {
    case "fleet":
      return {
        ok: true,
        dependencies,
        fleet: unpackFleet(report.fleet),
        lints: nearLints(report.lints),
        sources: (report.sources ?? []).map(withNearPlace),
      };
    case "invalid": {
      const problems = report.problems.map(withNearPlace);
      const message = `the fleet has ${problems.length === 1 ? "a problem" : `${problems.length} problems`}`;
      const error = configErrors.make("CONFIG_E_INVALID", message, { where: display(file), problems });
      return { ok: false, dependencies, error };
    }
    case "failure": {
      const { code, message, place = { file } } = report;
      const where = formatPlace(place);
      const problems =
        place.line === undefined ? [] : [failedAt(message, place.file, place.line, place.column)];
      return { ok: false, dependencies, error: compileErrors.make(code, message, { where, problems }) };
    }
  }
}

async function unreadable(file: string): Promise<DarumaError | undefined> {
  const refuse = (why: string, cause?: unknown) =>
    compileErrors.make("COMPILE_E_CONFIG_MISSING", `${display(file)} ${why}`, {
      where: display(file),
      cause,
    });
  try {
    const found = await stat(file);
    if (!found.isFile()) return refuse("is not a file");
    await (await open(file)).close();
  } catch (error) {
    return refuse(`cannot be read: ${messageOf(error)}`, error);
  }
  if (suffixes.includes(extname(file))) return undefined;
  return refuse(`is not a module: its name has to end in ${suffixes.join(", ")}`);
}

/** The child's report, or why there is none. */
async function runChild(file: string, options: EvaluateOptions): Promise<string | DarumaError> {
  const { signal, timeoutMs = 30_000, outputDescriptor = 2 } = options;
  const { execPath, args } = options.program ?? {
    execPath: process.execPath,
    args: process.argv.slice(1, 2),
  };
  signal?.throwIfAborted();
  const child = spawn(execPath, [...args, evaluatorArgument, file, ...(options.lint ? [lintArgument] : [])], {
    stdio: ["ignore", outputDescriptor, outputDescriptor, "pipe"],
  });
  const { promise, resolve, reject } = Promise.withResolvers<string | DarumaError>();
  const timer = setTimeout(() => resolve(timedOut(file, timeoutMs)), timeoutMs);
  const onAbort = () => reject(signal?.reason);
  signal?.addEventListener("abort", onAbort);
  let drain: NodeJS.Timeout | undefined;
  const conclude = (code: number | null, killer: string | null) => resolve(ended(file, code, killer));
  const onExit = (code: number | null, killer: string | null) => {
    // The report may still be in the pipe; but a process that the user's code left behind may hold the pipe open.
    drain = setTimeout(conclude, drainMs, code, killer);
  };
  child.once("error", reject).once("exit", onExit).once("close", conclude);
  readReport(child).then((report) => report !== undefined && resolve(report), reject);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    clearTimeout(drain);
    child.off("exit", onExit);
    signal?.removeEventListener("abort", onAbort);
    child.kill("SIGKILL");
    child.stdio[reportDescriptor]?.destroy();
  }
}

/** Reads up to the end of the first line: whoever else holds the pipe open is not waited for. */
async function readReport(child: ChildProcess): Promise<string | undefined> {
  const pipe = child.stdio[reportDescriptor];
  if (!(pipe instanceof Readable)) throw new Error("the evaluator was started without its pipe");
  const chunks: Buffer[] = [];
  for await (const chunk of pipe as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    if (chunk.at(-1) === 0x0a) return Buffer.concat(chunks).toString("utf8");
  }
  return undefined;
}

function timedOut(file: string, timeoutMs: number): DarumaError {
  const message = `the fleet file did not finish within ${timeoutMs / 1000} s and was stopped`;
  return compileErrors.make("COMPILE_E_CONFIG_TIMEOUT", message, { where: display(file) });
}

function ended(file: string, code: number | null, killer: string | null): DarumaError {
  const how = killer === null ? `with exit code ${code}` : `by ${killer}`;
  const message = `the evaluation of the fleet file ended ${how} before there was a fleet`;
  return compileErrors.make("COMPILE_E_CONFIG_EXITED", message, { where: display(file) });
}

function nearLints({ findings, silenced }: Judged = { findings: [], silenced: [] }): Judged {
  return { findings: findings.map(withNearPlace), silenced: silenced.map(withNearPlace) };
}

function withNearPlace<P extends Problem>(problem: P): P {
  const { place } = problem;
  if (place === undefined) return problem;
  const used = place.usedAt && { usedAt: { ...place.usedAt, file: display(place.usedAt.file) } };
  return { ...problem, place: { ...place, file: display(place.file), ...used } };
}

function failedAt(message: string, file: string, line: number, column = 1): Problem {
  return withNearPlace({ path: display(file), message, place: placeInFile(file, line, column) });
}

function formatPlace({ file, line, column }: Place): string {
  return [display(file), line, column].filter((part) => part !== undefined).join(":");
}

/** As short as it can be for a reader in the current directory. */
function display(file: string): string {
  const near = relative(process.cwd(), file);
  return near === "" || near.startsWith("..") ? file : near;
}
