import { DarumaError, type ErrorDocument, type ExitCode, exitCode } from "@daruma/base";
import { agentctlErrors } from "../catalogue.ts";

export interface DaemonEnd {
  readonly name: string;
  /** `with exit code 1`, `by SIGKILL`. */
  readonly how: string;
  readonly exitCode: number | null;
  /** What it wrote to stderr in this run. */
  readonly text: string;
  readonly log: string;
}

/**
 * The error that a daemon ended of: its own, code and all, where it said one; else that it ended, and where its log is.
 */
export function explainDaemonFailure(end: DaemonEnd): DarumaError {
  const told = lastDiagnostic(end.text);
  if (told === undefined) {
    const last = lastWords(end.text);
    return agentctlErrors.make("DEV_E_DAEMON", `${end.name} ended ${end.how}${last}`, {
      where: end.log,
      hint: `Read ${end.log}.`,
    });
  }
  const { code, message, hint, where } = told;
  const entry = { summary: message, remedy: hint, exit: exitOf(end.exitCode) };
  const details = where === undefined ? {} : { where };
  return new DarumaError(code, entry, `${end.name}: ${message}`, details);
}

type Diagnostic = ErrorDocument["error"];

function lastDiagnostic(text: string): Diagnostic | undefined {
  const lines = text.split("\n");
  for (let index = lines.length - 1; index >= 0; index -= 1) {
    const found = parseDocument(lines[index] ?? "") ?? parseText(lines[index] ?? "", lines[index + 1] ?? "");
    if (found !== undefined) return found;
  }
  return undefined;
}

function parseDocument(line: string): Diagnostic | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    const { error } = JSON.parse(line) as Partial<ErrorDocument>;
    return typeof error?.code === "string" && typeof error.message === "string" ? error : undefined;
  } catch {
    return undefined;
  }
}

/** The line that names an uncaught error, or else the last line there is. */
function lastWords(text: string): string {
  const lines = text.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("Node.js v"));
  const line = lines.findLast((each) => /^(\w+: )?\w*Error\b/.test(each)) ?? lines.at(-1);
  return line === undefined ? "" : `: ${line.trim().slice(0, 300)}`;
}

/** `watchd: CODE: message`, and the hint in the line after it. */
function parseText(line: string, next: string): Diagnostic | undefined {
  const [, code, message] = /^[a-z]+: ([A-Z]+_E_[A-Z_]+): (.*)$/.exec(line) ?? [];
  return code === undefined || message === undefined ? undefined : { code, message, hint: next.trim() };
}

function exitOf(code: number | null): ExitCode {
  const known = Object.values(exitCode).find((each) => each === code && each !== exitCode.ok);
  return known ?? exitCode.error;
}
