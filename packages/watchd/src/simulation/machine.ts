import { temporaryFailure, wrongConfiguration } from "../policy/failure.ts";
import { upstreamGraceMs } from "../policy/upstreams.ts";
import type { ExitCause, Instant, ProbeOutcome, Run, Usage } from "../ports.ts";
import type { Fleet, Version } from "./fleet.ts";

export interface Process {
  readonly run: Run;
  readonly version: Version;
  /** Which watchd started it; 0: somebody else did, -1: somebody else did, and it was taken over. */
  life: number;
  readonly startedAt: number;
  readonly servesFrom: number;
  alive: boolean;
  hung: boolean;
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

/** A time in which an agent was not healthy in truth, whether anybody noticed or not; `to` is null while it lasts. */
export interface BadTime {
  readonly from: number;
  to: number | null;
}

export interface TrueFailure {
  readonly time: number;
  readonly digest: string;
  /**
   * `outside` and `configuration` where the agent said so; `done` is an exit with 0, which is a failure only where it is to
   * run always.
   */
  readonly kind: "own" | "outside" | "configuration" | "done";
  /** Whether an outage that egressd has told of may stand for it: watchd need not count it, whosever fault it is. */
  readonly isExcused: boolean;
}

/** How much later than it happened a failure may be heard of. */
const newsLagMs = 15_000;

/** The simulated machine: its clocks, its processes, and the truth about every agent's health. */
export class Machine {
  time = 0;
  bootId = "boot-1";
  readonly outages = new Map<string, Outage>();
  /** Whether the ledger takes no entries. */
  ledgerAway = false;
  /** Agent -> when the last outage of it ends that egressd has told of. */
  readonly #seenUntil = new Map<string, number>();
  /** What a person has stopped, as it is on disk. */
  readonly stopped = new Set<string>();
  readonly badTimes = new Map<string, BadTime[]>();
  /** Every failure that really happened, in order. */
  readonly failures = new Map<string, TrueFailure[]>();
  /** How runs ended that somebody else had started, in case watchd had taken them over without having heard of it. */
  readonly #strangers = new Map<string, TrueFailure & { readonly agent: string }>();
  readonly #processes = new Map<string, Process>();
  readonly #fleet: Fleet;
  #boots = 1;
  #bootedAt = -5_000;
  #wallAhead = 1_800_000_000_000;
  #nextPid = 100;
  /** Called for each process that ends, however it does. */
  onEnd: (process: Process, cause: ExitCause) => void = () => {};

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
  }

  get now(): Instant {
    return { mono: this.time - this.#bootedAt, wall: this.time + this.#wallAhead };
  }

  get processes(): readonly Process[] {
    return [...this.#processes.values()];
  }

  process(runId: string): Process | undefined {
    return this.#processes.get(runId);
  }

  aliveOf(agent: string): readonly Process[] {
    return this.processes.filter((process) => process.run.agent === agent);
  }

  jumpWall(by: number): void {
    this.#wallAhead += by;
  }

  spawn(agent: string, runId: string, digest: string, life: number): Process {
    const version = this.#fleet.version(digest);
    this.#nextPid += 1;
    const process: Process = {
      run: { agent, runId, digest, pid: this.#nextPid, startedAt: this.now.wall },
      version,
      life,
      startedAt: this.time,
      servesFrom: this.time + version.warmupMs,
      alive: true,
      hung: false,
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
    this.#processes.set(runId, process);
    this.touch(agent);
    return process;
  }

  end(process: Process, cause: ExitCause): void {
    if (!process.alive) return;
    process.alive = false;
    const { runId, agent } = process.run;
    this.#processes.delete(runId);
    this.touch(agent);
    const { digest } = process.run;
    const kind = this.#kindOf(agent, cause, process);
    if (!process.stopAsked && process.life !== 0) this.blame(agent, digest, kind);
    else if (!process.stopAsked)
      this.#strangers.set(runId, { agent, time: this.time, digest, kind, isExcused: this.#isExcused(agent) });
    const isStop = process.stopAskedOutside && cause.kind !== "stopped";
    this.onEnd(process, isStop ? { kind: "stopped", inSwitch: false } : cause);
  }

  /** Notes that an agent has really failed. */
  blame(agent: string, digest: string, kind: TrueFailure["kind"]): void {
    const failures = this.failures.get(agent) ?? [];
    failures.push({ time: this.time, digest, kind, isExcused: this.#isExcused(agent) });
    this.failures.set(agent, failures);
  }

  /** watchd has taken over a run that somebody else had started: how it ends, or has ended, counts from now on. */
  takeOver(runId: string): boolean {
    const process = this.#processes.get(runId);
    const ended = this.#strangers.get(runId);
    if (ended !== undefined)
      this.failures.set(ended.agent, [...(this.failures.get(ended.agent) ?? []), ended]);
    this.#strangers.delete(runId);
    if (process?.life !== 0) return ended !== undefined;
    process.life = -1;
    return true;
  }

  /** Power is lost: nothing is left and nobody is told. */
  reboot(): void {
    for (const process of this.processes) process.alive = false;
    this.#processes.clear();
    this.#boots += 1;
    this.bootId = `boot-${this.#boots}`;
    this.#bootedAt = this.time - 5_000;
    for (const agent of this.badTimes.keys()) this.touch(agent);
  }

  suffer(agent: string, outage: Outage): void {
    this.outages.set(agent, outage);
    if (outage.shows === "crash" || outage.shows === "need")
      this.#seenUntil.set(agent, Math.max(outage.until, this.#seenUntil.get(agent) ?? 0));
    this.touch(agent);
  }

  #isExcused(agent: string): boolean {
    const until = this.#seenUntil.get(agent);
    return until !== undefined && this.time < until + upstreamGraceMs + newsLagMs;
  }

  /** A dependency was reached last at `time`: what has failed since may be put down to it. */
  excuseSince(agent: string, time: number): void {
    const failures = this.failures.get(agent) ?? [];
    this.failures.set(
      agent,
      failures.map((failure) => (failure.time >= time ? { ...failure, isExcused: true } : failure)),
    );
  }

  /** What its processes use. */
  usageOf({ bytes, growth, startedAt, files }: Process): Usage {
    const grown = Math.round(((this.time - startedAt) / 1_000) * growth);
    return { memoryBytes: bytes + grown, cpuMs: null, openFiles: files, tasks: null, ioBytes: null };
  }

  outageOf(agent: string): Outage | null {
    const outage = this.outages.get(agent);
    return outage !== undefined && outage.until > this.time ? outage : null;
  }

  /** What egressd tells of it. */
  upstreamsDown(): Readonly<Record<string, string>> {
    const down = [...this.outages.keys()].filter((agent) => this.outageOf(agent)?.shows === "crash");
    return Object.fromEntries(down.map((agent) => [agent, "db.example:5432"]));
  }

  /** What a probe that is sent now will find. */
  answerOf(agent: string, runId: string): ProbeOutcome {
    const process = this.#processes.get(runId);
    if (process === undefined) return { ok: false, latencyMs: 1, reason: "connection refused" };
    if (process.hung) return { ok: false, latencyMs: Number.POSITIVE_INFINITY, reason: "no answer in time" };
    if (this.outageOf(agent)?.shows === "answer")
      return { ok: false, latencyMs: 5, reason: "503", dependency: "db" };
    if (!this.#serves(process)) return { ok: false, latencyMs: 5, reason: "500" };
    return { ok: true, latencyMs: 5 };
  }

  /** Brings the books about an agent's true health up to date; called whenever it may have changed. */
  touch(agent: string): void {
    const healthy = this.aliveOf(agent).some(
      (process) => this.#serves(process) && !isSilent(process) && !isStuck(process),
    );
    const times = this.badTimes.get(agent) ?? [{ from: Number.NEGATIVE_INFINITY, to: null }];
    const last = times.at(-1);
    if (healthy && last !== undefined && last.to === null) last.to = this.time;
    if (!healthy && (last === undefined || last.to !== null)) times.push({ from: this.time, to: null });
    this.badTimes.set(agent, times);
  }

  #kindOf(agent: string, cause: ExitCause, { version, servesFrom }: Process): TrueFailure["kind"] {
    const kind = kindOf(cause, version, version.probed && this.time < servesFrom);
    const outage = this.outageOf(agent);
    return kind === "own" && outage !== null && showsAsCrash(outage, version) ? "outside" : kind;
  }

  #serves(process: Process): boolean {
    if (!process.version.probed) return true;
    if (process.hung || this.outageOf(process.run.agent)?.shows === "answer") return false;
    return process.version.defect !== "never-healthy" && this.time >= process.servesFrom;
  }
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
function kindOf(cause: ExitCause, { exits }: Version, isIdle: boolean): TrueFailure["kind"] {
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
