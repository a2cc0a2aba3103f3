import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "@daruma/base";
import { watchdErrors } from "../catalogue.ts";
import { routineRunOf } from "../processes/markers.ts";

/** Which attempt of a run was started last, and as which of systemd's invocations. */
export interface RunRecord {
  /** Null for what systemd runs and nobody here has started. */
  readonly attempt: number | null;
  /** Null as long as systemd has not been asked for it, or not answered. */
  readonly invocation: string | null;
}

export interface RoutineFiles {
  /** What earlier watchds of this boot have started, by `ROUTINE@RUN`. */
  readonly found: ReadonlyMap<string, RunRecord>;
  /** Durable in the sense of the boot. @throws Error of the file system */
  keep(key: string, record: RunRecord): void;
  /** What the unit reads when it is started. @throws Error of the file system */
  tell(key: string, environment: Readonly<Record<string, string>>): void;
  drop(key: string): void;
}

/**
 * Two files for each run whose end may not be durable yet, in memory: `ROUTINE@RUN`, a `RunRecord`, and `ROUTINE@RUN.env`, an
 * EnvironmentFile= (systemd.exec(5)). With the record and the trace of its hook, the end of a run has a cause whoever saw it.
 *
 * @throws WATCHD_E_STATE_DIRECTORY
 */
export function openRoutineFiles(directory: string): RoutineFiles {
  const place = (name: string, text: string) => {
    const temporary = join(directory, `.${name}.new`);
    writeFileSync(temporary, text, { mode: 0o600 });
    renameSync(temporary, join(directory, name));
  };
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const names = readdirSync(directory).filter((name) => !name.startsWith(".") && !name.endsWith(".env"));
    return {
      found: new Map(names.flatMap((name) => entryOf(name, readFileSync(join(directory, name), "utf8")))),
      keep: (key, record) => place(key, JSON.stringify(record)),
      tell: (key, environment) => place(`${key}.env`, environmentText(environment)),
      drop: (key) => {
        for (const name of [key, `${key}.env`]) rmSync(join(directory, name), { force: true });
      },
    };
  } catch (cause) {
    const message = `cannot use the directory ${directory}: ${messageOf(cause)}`;
    throw watchdErrors.make("WATCHD_E_STATE_DIRECTORY", message, { where: directory, cause });
  }
}

/**
 * Every value in double quotes. systemd drops a variable whose value has control characters but tab and newline, rather than
 * refuse it: each becomes U+FFFD.
 */
export function environmentText(environment: Readonly<Record<string, string>>): string {
  const lines = Object.entries(environment).map(([name, value]) => {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    const printable = value.toWellFormed().replace(/[\0-\x08\x0b-\x1f\x7f]/g, "\ufffd");
    return `${name}="${printable.replace(/["\\$`]/g, "\\$&")}"\n`;
  });
  return lines.join("");
}

/** None for what is not ours, or was not written to its end. */
function entryOf(name: string, text: string): [string, RunRecord][] {
  if (routineRunOf(name) === null) return [];
  try {
    const { attempt, invocation } = JSON.parse(text) as Partial<Record<keyof RunRecord, unknown>>;
    const isAttempt = attempt === null || typeof attempt === "number";
    const isInvocation = invocation === null || typeof invocation === "string";
    return isAttempt && isInvocation ? [[name, { attempt, invocation }]] : [];
  } catch {
    return [];
  }
}
