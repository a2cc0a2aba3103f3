import { readFileSync, rmSync, statSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { systemCode } from "@daruma/base";
import type { ExitCause } from "../ports.ts";
import { awaitsRestart, type UnitFacts } from "./facts.ts";

/*
 * What the hooks of a unit leave in the directory of exits (modules/units/hooks.nix): `NAME` when a run has ended, `NAME.asked`
 * when one was asked to end. NAME is an agent's, or `ROUTINE@RUN`. systemd itself forgets both with the next start.
 */

/** How a run ended: `$SERVICE_RESULT $EXIT_CODE $EXIT_STATUS $INVOCATION_ID` (systemd.exec(5)), `-` where there was none. */
export interface ExitTrace {
  readonly result: string;
  /** `exited`, `killed` or `dumped`. */
  readonly code: string;
  /** A number after `exited`, else a signal without "SIG". */
  readonly status: string;
  readonly invocation: string;
}

/**
 * Between the end of a run and the trace of its hook there are 20 to 30 ms. To ask systemd at once takes as long as the hook does, and
 * makes it later (tried).
 */
export const traceWithinMs = 60;

export interface Traces {
  exitOf(agent: string): ExitTrace | null;
  /** Invocation of the run that was last asked to stop, by whomever. */
  askedOf(agent: string): string | null;
  /** Unix time in milliseconds at which the trace of an end was left; null where there is none. */
  leftAt(agent: string): number | null;
  /** Removes both. */
  drop(agent: string): void;
}

export function createTraces(directory: string): Traces {
  return {
    exitOf: (agent) => parseExitTrace(readIfThere(join(directory, agent))),
    askedOf: (agent) => readIfThere(join(directory, `${agent}${askedSuffix}`))?.trim() || null,
    leftAt: (agent) => statSync(join(directory, agent), { throwIfNoEntry: false })?.mtimeMs ?? null,
    drop: (agent) => {
      for (const name of [agent, `${agent}${askedSuffix}`]) rmSync(join(directory, name), { force: true });
    },
  };
}

const askedSuffix = ".asked";

/** The agent that a file in the directory is about. */
export function agentOfTrace(file: string): string {
  return file.endsWith(askedSuffix) ? file.slice(0, -askedSuffix.length) : file;
}

/** Null for what is not a whole line: it is being written at this moment. */
export function parseExitTrace(text: string | null): ExitTrace | null {
  if (text?.endsWith("\n") !== true) return null;
  const [result, code, status, invocation, ...rest] = text.trim().split(" ");
  if (result === undefined || code === undefined || status === undefined || !invocation) return null;
  return rest.length === 0 ? { result, code, status, invocation } : null;
}

/** What tells of the end of a run besides systemd itself. */
export interface Ends {
  readonly exit: ExitTrace | null;
  readonly asked: string | null;
  /** Whether a switch is under way. */
  readonly inSwitch: boolean;
}

/** How the run `invocation` ended, by whatever still tells of it. */
export function causeOf(invocation: string, traces: Ends, facts: UnitFacts | null): ExitCause {
  // systemd restarts nothing that somebody asked to stop.
  const asked = traces.asked === invocation && !(facts?.invocation === invocation && awaitsRestart(facts));
  if (asked) return { kind: "stopped", inSwitch: traces.inSwitch };
  if (traces.exit?.invocation === invocation) return causeOfTrace(traces.exit);
  if (facts?.invocation === invocation) return causeOfFacts(facts);
  return { kind: "unknown" };
}

/**
 * When the run `invocation` ended, on CLOCK_MONOTONIC in milliseconds: by systemd, which forgets it with the next start, by the age of the
 * trace, or else now.
 *
 * @param leftAt of its trace; null where there is none
 */
export function endOf(
  invocation: string,
  facts: UnitFacts | null,
  leftAt: number | null,
  { mono, wall }: { readonly mono: number; readonly wall: number },
): number {
  const exitedMs = facts?.invocation === invocation ? facts.exitedMonotonicUs / 1_000 : 0;
  if (exitedMs > 0) return Math.min(exitedMs, mono);
  return leftAt === null ? mono : mono - Math.max(0, wall - leftAt);
}

function causeOfTrace({ result, code, status }: ExitTrace): ExitCause {
  // The kernel kills with SIGKILL; the main process may have ended otherwise after that.
  if (result === "oom-kill") return outOfMemory;
  // It ends as it likes once it has been told to.
  if (result === "watchdog") return { kind: "watchdog" };
  if (code === "exited" && /^\d+$/.test(status)) return { kind: "exit", code: Number(status) };
  if (code !== "killed" && code !== "dumped") return { kind: "unknown" };
  return killedBy(`SIG${status}`, code === "dumped", result);
}

const outOfMemory = { kind: "signal", signal: "SIGKILL", sentBy: "oom-killer" } as const;

function killedBy(signal: string, core: boolean, result: string): ExitCause {
  return {
    ...{ kind: "signal", signal },
    ...(core ? { core } : {}),
    ...(result === "timeout" ? { sentBy: "systemd" } : {}),
  };
}

/** Values of `si_code` for SIGCHLD (sigaction(2)), which systemd shows as numbers. */
const cld = { exited: 1, killed: 2, dumped: 3 } as const;

function causeOfFacts({ result, execMainCode, execMainStatus }: UnitFacts): ExitCause {
  if (result === "oom-kill") return outOfMemory;
  if (result === "watchdog") return { kind: "watchdog" };
  if (execMainCode === cld.exited) return { kind: "exit", code: execMainStatus };
  if (execMainCode !== cld.killed && execMainCode !== cld.dumped) return { kind: "unknown" };
  const signal = Object.entries(constants.signals).find(([, number]) => number === execMainStatus)?.[0];
  return signal === undefined ? { kind: "unknown" } : killedBy(signal, execMainCode === cld.dumped, result);
}

/** Null for a file that is not there. */
export function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (systemCode(error) === "ENOENT") return null;
    throw error;
  }
}
