import { readFileSync, readlinkSync, realpathSync } from "node:fs";
import type { HostManifest } from "@daruma/config";
import type { Run } from "../ports.ts";
import type { Difference } from "./difference.ts";
import { type ObservedProcess, processDifference } from "./processes.ts";

export interface ProcessRules {
  /** The user that an agent is to run as; null where that is nobody's business. */
  readonly uidOf: (agent: string) => number | null;
  /** Whether an executable may be what an agent's command has handed over to. */
  readonly belongs: (executable: string) => boolean;
  /** Unix milliseconds. */
  readonly now: number;
}

/** Between fork and execve a process still has the command line of whoever started it. */
const settledMs = 1_000;

/** The agents' main processes against what is declared of them. */
export function processDifferences(
  { agents }: HostManifest,
  runs: ReadonlyMap<string, Run>,
  { uidOf, belongs, now }: ProcessRules,
): readonly Difference[] {
  // Many agents run the same few programs.
  const realPaths = new Map<string, string | null>();
  const realPathOf = (path: string) => {
    const known = realPaths.get(path);
    if (known !== undefined) return known;
    const found = realpathOrNull(path);
    realPaths.set(path, found);
    return found;
  };
  return [...runs.values()].flatMap(({ agent, runId, pid, startedAt, digest }) => {
    const manifest = agents[agent];
    // A run of another definition is being replaced anyway.
    if (manifest === undefined || manifest.digest !== digest || now - startedAt < settledMs) return [];
    const uid = uidOf(agent);
    const observed = observeProcess(pid, uid !== null);
    if (observed === null) return [];
    const { command } = manifest;
    const program = realPathOf(command[0] ?? "");
    const declared = { agent, runId, command, program, uid };
    return processDifference(declared, observed, belongs) ?? [];
  });
}

/** Null for one that is gone, or is not ours to look at. Its user is looked for only where that is anybody's business. */
export function observeProcess(pid: number, withUser: boolean): ObservedProcess | null {
  try {
    const argv = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1);
    // A zombie has no command line.
    if (argv.length === 0) return null;
    const uid = withUser ? effectiveUser(pid) : null;
    if (uid === undefined) return null;
    return { argv, uid, executable: executableOf(pid) };
  } catch {
    return null;
  }
}

function effectiveUser(pid: number): number | undefined {
  const uid = /^Uid:\s+\d+\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
  return uid === undefined ? undefined : Number(uid);
}

/** A program that was replaced on disk is shown as "PATH (deleted)" (proc_pid_exe(5)); it is what was started all the same. */
function executableOf(pid: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/exe`).replace(/ \(deleted\)$/, "");
  } catch {
    return null;
  }
}

/** User name -> uid, of a text in the format of passwd(5). */
export function parseUsers(text: string): ReadonlyMap<string, number> {
  const rows = text.split("\n").map((line) => line.split(":"));
  return new Map(
    rows.flatMap(([name, , uid]) => (name && /^\d+$/.test(uid ?? "") ? [[name, Number(uid)]] : [])),
  );
}

function realpathOrNull(path: string): string | null {
  try {
    return realpathSync(path);
  } catch {
    return null;
  }
}
