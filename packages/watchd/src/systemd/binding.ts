import type { ExitCause } from "../ports.ts";
import { isAlive, type UnitFacts } from "./facts.ts";
import { causeOf, type Ends } from "./traces.ts";

/** Which of systemd's invocations of a unit a run of ours is. Invocation ids never come back; pids do. */
export interface Binding {
  readonly runId: string;
  readonly invocation: string;
  readonly digest: string;
  readonly pid: number;
  /** Unix time in milliseconds. */
  readonly startedAt: number;
}

/** All that can be seen of a unit at one moment. */
export interface Sight extends Ends {
  readonly facts: UnitFacts | null;
}

export interface Seen {
  readonly binding: Binding | null;
  /** The run that was bound before has ended. */
  readonly ended: { readonly runId: string; readonly cause: ExitCause } | null;
  /** A run that nobody here has asked for is alive. */
  readonly found: boolean;
}

export interface Surroundings {
  /** Milliseconds on CLOCK_MONOTONIC. */
  readonly mono: number;
  readonly wall: number;
  /** Digest that a process was started with; null where that cannot be told. */
  readonly digestOf: (pid: number) => string | null;
}

/** What a look at a unit means for the run that is bound to it. */
export function see(before: Binding | null, sight: Sight, around: Surroundings): Seen {
  const { facts } = sight;
  const alive = facts !== null && isAlive(facts) && !hasEnded(facts.invocation, sight);
  const same = alive && facts.invocation === before?.invocation;
  if (same) return { binding: before, ended: null, found: false };
  const ended =
    before === null ? null : { runId: before.runId, cause: causeOf(before.invocation, sight, facts) };
  if (!alive) return { binding: null, ended, found: false };
  return { binding: bind(strangersId(facts), facts, around), ended, found: true };
}

/** The trace of an end is written before the next start, and so is never older than the facts that it contradicts. */
function hasEnded(invocation: string, { exit }: Sight): boolean {
  return exit?.invocation === invocation;
}

/**
 * The process itself knows best what it was started with: systemd tells what it has loaded, and in the middle of a switch
 * that is already the next definition.
 */
export function bind(runId: string, facts: UnitFacts, { mono, wall, digestOf }: Surroundings): Binding {
  const ageMs = Math.max(0, mono - facts.startedMonotonicUs / 1_000);
  const own = facts.mainPid > 0 ? digestOf(facts.mainPid) : null;
  return {
    runId,
    invocation: facts.invocation,
    digest: own ?? facts.digest,
    pid: facts.mainPid > 0 ? facts.mainPid : facts.execMainPid,
    startedAt: Math.round(wall - ageMs),
  };
}

/** Runs that the core has not named are named after systemd's own id: `journalctl _SYSTEMD_INVOCATION_ID=` finds them. */
function strangersId({ invocation }: UnitFacts): string {
  return `inv-${invocation}`;
}
