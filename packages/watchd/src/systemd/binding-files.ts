import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "@daruma/base";
import { watchdErrors } from "../catalogue.ts";
import type { Binding } from "./binding.ts";

export interface BindingFiles {
  /** What an earlier watchd of this boot has bound. */
  readonly found: ReadonlyMap<string, Binding>;
  keep(agent: string, binding: Binding): void;
  drop(agent: string): void;
}

/**
 * Bindings outlive watchd, but not the boot: one small file for each agent, in memory. A lost one costs little: the run is
 * then found as one that nobody has asked for, and adopted. So one that cannot be written is only logged.
 *
 * @throws WATCHD_E_STATE_DIRECTORY
 */
export function openBindingFiles(directory: string, log: (message: string) => void): BindingFiles {
  const trying = (agent: string, write: () => void) => {
    try {
      write();
    } catch (error) {
      log(`the binding of ${agent} cannot be written in ${directory}: ${messageOf(error)}`);
    }
  };
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const names = readdirSync(directory).filter((name) => !name.startsWith("."));
    return {
      found: new Map(names.flatMap((name) => entryOf(name, read(join(directory, name))))),
      keep: (agent, binding) =>
        trying(agent, () => {
          const temporary = join(directory, `.${agent}.new`);
          writeFileSync(temporary, JSON.stringify(binding), { mode: 0o600 });
          renameSync(temporary, join(directory, agent));
        }),
      drop: (agent) => trying(agent, () => rmSync(join(directory, agent), { force: true })),
    };
  } catch (cause) {
    const message = `cannot use the directory ${directory}: ${messageOf(cause)}`;
    throw watchdErrors.make("WATCHD_E_STATE_DIRECTORY", message, { where: directory, cause });
  }
}

function entryOf(name: string, value: unknown): [string, Binding][] {
  if (typeof value !== "object" || value === null) return [];
  const { runId, invocation, digest, pid, startedAt } = value as Partial<Record<keyof Binding, unknown>>;
  const texts = [runId, invocation, digest].every((each) => typeof each === "string");
  if (!texts || typeof pid !== "number" || typeof startedAt !== "number") return [];
  return [[name, { runId, invocation, digest, pid, startedAt } as Binding]];
}

/** Null for what is not ours, or was written by a release that wrote it otherwise. */
function read(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return null;
  }
}
