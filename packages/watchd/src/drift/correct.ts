import { randomBytes } from "node:crypto";
import { cp, lstat, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { messageOf, syncDirectory, systemCode } from "@daruma/base";
import { run } from "../commands.ts";
import type { Generations } from "../ports.ts";
import { agentOfUnit } from "../systemd/site.ts";
import type { Difference } from "./difference.ts";
import type { Helpers, Subject } from "./machine.ts";
import { planOf } from "./plan.ts";

export interface NixosHands {
  readonly helpers: Helpers;
  /** watchd's own state directory. */
  readonly state: string;
  readonly signal: AbortSignal;
  readonly switchTo: Generations["switchTo"];
  /** What went wrong, or null. */
  readonly repair: (path: string) => Promise<string | null>;
}

const reloadWithinMs = 180_000;
const startWithinMs = 120_000;

/**
 * Puts differences right on a NixOS host. The switch is the rollback program's, in the unit that is nixos-rebuild's mutex: it waits for
 * a person's switch, and gives up where another generation has become current meanwhile. Nothing of a person's is deleted.
 */
export async function correctOnNixos(
  differences: readonly Difference[],
  { current }: Subject,
  hands: NixosHands,
): Promise<readonly string[]> {
  const plan = planOf(differences);
  const problems: string[] = [];
  const attempt = async (what: string, work: () => Promise<string | null>) => {
    const problem = await work().catch((error) => messageOf(error));
    if (problem !== null) problems.push(`${what}: ${problem}`);
  };
  const systemctl = (args: readonly string[], timeoutMs: number) => async () => {
    const ended = await run("systemctl", ["--no-ask-password", ...args], { timeoutMs, signal: hands.signal });
    return ended.ok ? null : `${ended.problem} ${ended.stderr.trim()}`.trim();
  };
  const aside = join(hands.state, "set-aside", `${Date.now()}-${randomBytes(3).toString("hex")}`);
  for (const path of plan.setAside) await attempt(path, () => setAside(path, aside));
  for (const path of plan.keep) await attempt(path, () => keep(path, aside));
  for (const path of plan.repair) await attempt(path, () => hands.repair(path));
  if (plan.reload) await attempt("daemon-reload", systemctl(["daemon-reload"], reloadWithinMs));
  if (plan.switchAgain) {
    await attempt("the switch", async () => {
      const id = `drift-${randomBytes(6).toString("hex")}`;
      const verdict = await hands.switchTo(current.path, { id, from: current.path });
      return verdict.ok ? null : verdict.problems.join("; ");
    });
  }
  if (plan.start.length > 0) await attempt("start", systemctl(["start", "--", ...plan.start], startWithinMs));
  for (const unit of plan.restart) {
    const agent = agentOfUnit(unit);
    if (agent !== null) await attempt(unit, () => hands.helpers.restart(agent, null));
    // Only where it runs; whether it comes up is for the next look, and this may be watchd itself.
    else await attempt(unit, systemctl(["try-restart", "--no-block", "--", unit], startWithinMs));
  }
  for (const { agent, runId } of plan.agents) await attempt(agent, () => hands.helpers.restart(agent, runId));
  return problems;
}

/** Moves a file to where a person finds it, under a name that tells where it was. */
async function setAside(path: string, directory: string): Promise<null> {
  if (!(await copyTo(path, directory))) return null;
  await rm(path, { recursive: true });
  return null;
}

/** A directory stands in the way of a switch, which only replaces files. */
async function keep(path: string, directory: string): Promise<null> {
  const stats = await lstat(path).catch(() => null);
  if (stats?.isDirectory()) return setAside(path, directory);
  await copyTo(path, directory);
  return null;
}

/** Whether there was anything. What is in /run is in memory, so it is copied rather than renamed. */
async function copyTo(path: string, directory: string): Promise<boolean> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const target = join(directory, path.slice(1).replaceAll("/", "-"));
  try {
    await cp(path, target, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
  } catch (error) {
    if (systemCode(error) === "ENOENT") return false;
    throw error;
  }
  await syncDirectory(directory);
  return true;
}
