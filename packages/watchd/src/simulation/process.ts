import { temporaryFailure, wrongConfiguration } from "../policy/failure.ts";
import type { ExitCause, ProbeOutcome, Run, Usage } from "../ports.ts";
import type { Version } from "./fleet.ts";

/** How a health check was answered: missed only where the process itself is to blame, and might have done better. */
export interface Answer {
  readonly at: number;
  readonly missed: boolean;
}

export interface Process {
  readonly run: Run;
  readonly version: Version;
  /** Which watchd started it; 0: somebody else did, -1: somebody else did, and it was taken over. */
  life: number;
  readonly startedAt: number;
  readonly servesFrom: number;
  alive: boolean;
  hung: boolean;
  /** Share of its health checks that it misses, though it serves. */
  falters: number;
  /** How it has answered its newest checks, oldest first. */
  readonly answers: Answer[];
  /** Serves as ever, but the part of it that beats does so no longer. */
  mute: boolean;
  bytes: number;
  /** Bytes that it grows by in a second. */
  growth: number;
  files: number;
  hasHoarded: boolean;
  /** Serves and beats as ever, but its work does not get on. */
  stuck: boolean;
  /** How much it has done, as it tells. */
  count: number;
  /** Ignores the stop signal; only the kill after the grace time ends it. */
  deaf: boolean;
  /** Cannot be ended at all before this time, as in uninterruptible sleep. */
  stuckUntil: number;
  /** watchd has asked for its stop: how it ends says nothing any more. */
  stopAsked: boolean;
  /** Somebody else has: the service manager knows, and calls any end of it a stop. */
  stopAskedOutside: boolean;
}

/** A fault that lies outside: what the agent needs is down. */
export interface Outage {
  readonly until: number;
  /**
   * How it shows: the agent exits with 75, its health answer names the dependency, or it just crashes, and egressd tells, or a probe of
   * what it declares to need.
   */
  readonly shows: "exit" | "answer" | "crash" | "need";
}

/** How a run of an agent ends, as far as it is anybody's fault. */
export type EndKind = "own" | "outside" | "configuration" | "done";

/** More answers than any policy looks back on. */
const keptAnswers = 32;

export function newProcess(run: Run, version: Version, life: number, startedAt: number): Process {
  return {
    run,
    version,
    life,
    startedAt,
    servesFrom: startedAt + version.warmupMs,
    alive: true,
    hung: false,
    falters: 0,
    answers: [],
    mute: false,
    bytes: 100,
    growth: 0,
    files: 10,
    hasHoarded: false,
    stuck: false,
    count: 0,
    deaf: false,
    stuckUntil: 0,
    stopAsked: false,
    stopAskedOutside: false,
  };
}

/** What it uses at `time`. */
export function usageOf({ bytes, growth, startedAt, files }: Process, time: number): Usage {
  const grown = Math.round(((time - startedAt) / 1_000) * growth);
  return { memoryBytes: bytes + grown, cpuMs: null, openFiles: files, tasks: null, ioBytes: null };
}

/** @param luck from 0 to 1; decides whether one that falters misses this check */
export function answer(process: Process, outage: Outage | null, time: number, luck: number): ProbeOutcome {
  const outcome = outcomeOf(process, outage, time, luck);
  const isIdle = time < process.servesFrom && !process.hung && process.version.defect !== "never-healthy";
  process.answers.push({ at: time, missed: !outcome.ok && outcome.dependency === undefined && !isIdle });
  if (process.answers.length > keptAnswers) process.answers.shift();
  return outcome;
}

function outcomeOf(process: Process, outage: Outage | null, time: number, luck: number): ProbeOutcome {
  if (process.hung) return { ok: false, latencyMs: Number.POSITIVE_INFINITY, reason: "no answer in time" };
  if (outage?.shows === "answer") return { ok: false, latencyMs: 5, reason: "503", dependency: "db" };
  const serves = doesServe(process, outage, time) && luck >= process.falters;
  return serves ? { ok: true, latencyMs: 5 } : { ok: false, latencyMs: 5, reason: "500" };
}

/** Whether it is of use, but for a check that it misses now and then. */
export function doesServe(process: Process, outage: Outage | null, time: number): boolean {
  if (!process.version.probed) return true;
  if (process.hung || outage?.shows === "answer") return false;
  return process.version.defect !== "never-healthy" && time >= process.servesFrom;
}

/** It was to beat and does not, whoever listens. */
export function isSilent({ hung, mute, version }: Process): boolean {
  return version.heartbeat !== null && (hung || mute);
}

/** Its counter was to rise and does not. */
export function isStuck({ hung, stuck, version }: Process): boolean {
  return version.progressMs !== null && (hung || stuck);
}

/** The agent suffers from it, and does not say itself that the fault is outside. */
export function showsAsCrash({ shows }: Outage, { needs }: Version): boolean {
  return shows === "crash" || (shows === "need" && needs);
}

/** @param isIdle it has a health check and has never passed one */
export function kindOfEnd(cause: ExitCause, { exits }: Version, isIdle: boolean): EndKind {
  const own =
    cause.kind === "exit" ? exits[cause.code] : cause.kind === "signal" ? exits[cause.signal] : undefined;
  if (own !== undefined)
    return (
      { success: "done", failure: "own", temporary: "outside", configuration: "configuration" } as const
    )[own];
  if (cause.kind !== "exit") return "own";
  if (cause.code === 0) return isIdle ? "own" : "done";
  if (cause.code === wrongConfiguration) return "configuration";
  return cause.code === temporaryFailure ? "outside" : "own";
}
