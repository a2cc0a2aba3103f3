import { watchdErrors } from "../catalogue.ts";
import { run } from "../commands.ts";
import { createGate } from "../concurrency.ts";
import { factProperties, parseFacts, type UnitFacts } from "./facts.ts";

/** One line of `systemctl list-units`: cheap for a thousand units, where `show` is not. */
export interface UnitSummary {
  readonly unit: string;
  /** ActiveState and SubState. */
  readonly state: string;
}

export interface Outcome {
  readonly ok: boolean;
  /** What systemctl said; "" where all is well. */
  readonly message: string;
}

export interface Systemctl {
  /** Every loaded unit that matches the glob. */
  units(pattern: string): Promise<readonly UnitSummary[]>;
  show(units: readonly string[]): Promise<readonly UnitFacts[]>;
  /** Resolves when the job has ended. */
  start(unit: string): Promise<Outcome>;
  /** Resolves when the job is in systemd's queue. */
  startLater(unit: string): Promise<Outcome>;
  stop(unit: string, withinMs: number): Promise<Outcome>;
  reload(): Promise<Outcome>;
  /** Of a unit that has not failed, or is not loaded, it is no success, and does nothing. */
  resetFailed(unit: string): Promise<Outcome>;
}

/** Who waits for a job is told of all others by PID 1 as well: a thousand at once would keep it from anything else. */
const startsAtOnce = 24;
/** systemd's own limit is DefaultTimeoutStartSec=, 90 s. */
const startWithinMs = 120_000;
/** switch-to-configuration gives a reload as much. */
const reloadWithinMs = 180_000;
/** Far below the kernel's limit on arguments. */
const unitsPerCall = 500;

/** systemctl of PATH. @throws (`units`, `show`) if systemd does not answer; WATCHD_E_NO_ANSWER if it takes too long */
export function createSystemctl(signal: AbortSignal, askWithinMs = 10_000): Systemctl {
  const gate = createGate(startsAtOnce);
  const call = (args: readonly string[], timeoutMs: number) =>
    run("systemctl", ["--no-ask-password", "--no-pager", ...args], { timeoutMs, signal });
  const ask = async (args: readonly string[]) => {
    const { ok, stdout, stderr, problem, timedOut } = await call(args, askWithinMs);
    if (timedOut) throw watchdErrors.make("WATCHD_E_NO_ANSWER", problem);
    if (!ok) throw new Error([problem, stderr.trim()].filter((text) => text !== "").join(": "));
    return stdout;
  };
  const act = async (args: readonly string[], timeoutMs: number): Promise<Outcome> => {
    const { ok, stderr, problem } = await call(args, timeoutMs);
    return { ok, message: ok ? "" : complaintOf(stderr) || problem };
  };
  return {
    async units(pattern) {
      const text = await ask(["list-units", "--all", "--full", "--plain", "--no-legend", "--", pattern]);
      return parseSummaries(text);
    },
    async show(units) {
      const facts: UnitFacts[] = [];
      for (let at = 0; at < units.length; at += unitsPerCall) {
        const some = units.slice(at, at + unitsPerCall);
        facts.push(
          ...parseFacts(await ask(["show", `--property=${factProperties.join(",")}`, "--", ...some])),
        );
      }
      return facts;
    },
    startLater: (unit) => act(["start", "--no-block", "--", unit], askWithinMs),
    start: (unit) => gate(() => act(["start", "--", unit], startWithinMs)),
    stop: (unit, withinMs) => act(["stop", "--", unit], withinMs),
    reload: () => act(["daemon-reload"], reloadWithinMs),
    resetFailed: (unit) => act(["reset-failed", "--", unit], askWithinMs),
  };
}

/** The first line that is one: systemctl warns of units that have changed on disk before it says what went wrong. */
function complaintOf(stderr: string): string {
  const lines = stderr.trim().split("\n");
  return lines.find((line) => !line.startsWith("Warning: ")) ?? "";
}

/** Columns: UNIT LOAD ACTIVE SUB DESCRIPTION. Names of units have no blanks in them. */
export function parseSummaries(text: string): readonly UnitSummary[] {
  return text.split("\n").flatMap((line) => {
    const [unit, , active, sub] = line.trim().split(/\s+/);
    return unit === undefined || sub === undefined ? [] : [{ unit, state: `${active}/${sub}` }];
  });
}
