import { type ErrorDocument, isDarumaError, messageOf, type Problem } from "@daruma/base";
import { agentctlErrors } from "../catalogue.ts";
import type { Paint } from "./output.ts";
import { printable } from "./printable.ts";
import { renderProblem } from "./render-problem.ts";

export { printable };

export interface Failure {
  readonly exit: number;
  /** For stdout with --json. */
  readonly document: ErrorDocument;
  /** For stderr. */
  readonly text: string;
}

/** What is said about something thrown: a user's mistake in a few tidy lines, a bug of ours with its stack. */
export function describeFailure(error: unknown, paint: Paint): Failure {
  if (isDarumaError(error)) {
    return { exit: error.exit, document: error.toDocument(), text: renderError(error, paint) };
  }
  const bug = agentctlErrors.make("CLI_E_BUG", `agentctl failed inside: ${messageOf(error)}`);
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { exit: bug.exit, document: bug.toDocument(), text: `${renderError(bug, paint)}\n\n${stack}` };
}

interface Diagnostic {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly where: string | undefined;
  readonly problems: readonly Problem[];
}

/** Not mistakes: somebody wanted the end. */
const endings: ReadonlySet<string> = new Set(["CLI_E_INTERRUPTED", "CLI_E_TERMINATED"]);

/** Problems that one line of a helper or a loop made many times are told once. */
function grouped(problems: readonly Problem[]): [Problem, ...Problem[]][] {
  const groups = new Map<string, [Problem, ...Problem[]]>();
  for (const problem of problems) {
    const { place, code, message, path } = problem;
    const at = place === undefined ? ["", path] : [place.file, place.line, place.column];
    const key = JSON.stringify([...at, code, message]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [problem]);
    else group.push(problem);
  }
  return [...groups.values()];
}

function isTold(where: string, { message, problems }: Diagnostic): boolean {
  return (
    message.includes(where) ||
    problems.some(({ place }) => place && `${place.file}:${place.line}:${place.column}` === where)
  );
}

/** Without what the error itself has said. */
function untold(problem: Problem, error: Diagnostic): Problem {
  return problem.message === error.message ? { ...problem, message: "" } : problem;
}

export function renderError(error: Diagnostic, paint: Paint): string {
  const { where, problems } = error;
  if (endings.has(error.code)) return `${error.code}: ${printable(error.message)}`;
  return [
    `${paint(["bold", "red"], "error")} ${paint("bold", error.code)}: ${printable(error.message)}`,
    ...(where === undefined || isTold(where, error) ? [] : [`  at ${printable(where)}`]),
    ...grouped(
      problems.filter((problem) => !error.message.includes(`${problem.path}: ${problem.message}`)),
    ).map(([first, ...others]) => renderProblem(untold(first, error), others.length, paint)),
    ...(problems.some(({ place }) => place !== undefined) ? [""] : []),
    ...(error.hint === "" ? [] : [`${paint("cyan", "hint")}: ${printable(error.hint)}`]),
  ].join("\n");
}
