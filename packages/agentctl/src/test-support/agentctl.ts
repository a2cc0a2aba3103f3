import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Test } from "tap";

/** As it is shipped: the bundle, which starts in a third of the time. `make test` builds it first. */
const program = join(import.meta.dirname, "../../../../dist/agentctl.mjs");

export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningProgram {
  readonly child: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly ended: Promise<Ended>;
}

export interface StartOptions {
  readonly cwd: string;
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/** Starts agentctl. It is killed at the end of the test if it still runs then. */
export function startAgentctl(t: Test, argv: readonly string[], options: StartOptions): RunningProgram {
  const child = spawn(process.execPath, [program, ...argv], {
    cwd: options.cwd,
    env: { ...process.env, ...options.environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const text = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => {
    text.stdout += String(chunk);
  });
  child.stderr.on("data", (chunk) => {
    text.stderr += String(chunk);
  });
  const ended = once(child, "close").then(([code, signal]) => ({ code, signal, ...text }));
  t.teardown(() => child.kill("SIGKILL"));
  return { child, stdout: () => text.stdout, stderr: () => text.stderr, ended };
}

export function runAgentctl(t: Test, argv: readonly string[], options: StartOptions): Promise<Ended> {
  return startAgentctl(t, argv, options).ended;
}

/** A directory of its own, with a short path since sockets go into it. Removed at the end of the test. */
export function scratchDirectory(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), "dctl-"));
  t.teardown(async () => {
    // Generations are read-only, which only root can overlook.
    spawnSync("chmod", ["-R", "u+w", directory]);
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  });
  return directory;
}

/** Waits until `look` finds something. Says what it waited for when that does not come. */
export async function eventually<T>(what: string, look: () => Promise<T | null> | T | null): Promise<T> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const found = await look();
    if (found !== null) return found;
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await sleep(20);
  }
}

/** Whether a process runs. One that has ended and waits for its parent to notice does not. */
export function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.charAt(stat.lastIndexOf(")") + 2) !== "Z";
  } catch {
    return false;
  }
}

/** Each line of JSON that a program printed. Throws on a line that is something else. */
export function documents(stdout: string): readonly Record<string, unknown>[] {
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}
