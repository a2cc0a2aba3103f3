import { upstreamGraceMs } from "../policy/upstreams.ts";
import type { ExitCause, Instant, ProbeOutcome } from "../ports.ts";
import type { Fleet } from "./fleet.ts";
import {
  answer,
  doesServe,
  type EndKind,
  isSilent,
  isStuck,
  kindOfEnd,
  newProcess,
  type Outage,
  type Process,
  showsAsCrash,
} from "./process.ts";

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
  readonly kind: EndKind;
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
  /** Whether nothing can be written: no journal, no link, no profile. */
  diskGone = false;
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
    const run = { agent, runId, digest, pid: this.#nextPid, startedAt: this.now.wall };
    const process = newProcess(run, version, life, this.time);
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
  blame(agent: string, digest: string, kind: EndKind): void {
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

  outageOf(agent: string): Outage | null {
    const outage = this.outages.get(agent);
    return outage !== undefined && outage.until > this.time ? outage : null;
  }

  /** What egressd tells of it. */
  upstreamsDown(): Readonly<Record<string, string>> {
    const down = [...this.outages.keys()].filter((agent) => this.outageOf(agent)?.shows === "crash");
    return Object.fromEntries(down.map((agent) => [agent, "db.example:5432"]));
  }

  /** What a probe that is sent now will find; `luck` is from 0 to 1. */
  answerOf(agent: string, runId: string, luck: number): ProbeOutcome {
    const process = this.#processes.get(runId);
    if (process === undefined) return { ok: false, latencyMs: 1, reason: "connection refused" };
    return answer(process, this.outageOf(agent), this.time, luck);
  }

  /** Brings the books about an agent's true health up to date; called whenever it may have changed. */
  touch(agent: string): void {
    const healthy = this.aliveOf(agent).some(
      (process) =>
        doesServe(process, this.outageOf(agent), this.time) && !isSilent(process) && !isStuck(process),
    );
    const times = this.badTimes.get(agent) ?? [{ from: Number.NEGATIVE_INFINITY, to: null }];
    const last = times.at(-1);
    if (healthy && last !== undefined && last.to === null) last.to = this.time;
    if (!healthy && (last === undefined || last.to !== null)) times.push({ from: this.time, to: null });
    this.badTimes.set(agent, times);
  }

  #kindOf(agent: string, cause: ExitCause, { version, servesFrom }: Process): EndKind {
    const kind = kindOfEnd(cause, version, version.probed && this.time < servesFrom);
    const outage = this.outageOf(agent);
    return kind === "own" && outage !== null && showsAsCrash(outage, version) ? "outside" : kind;
  }
}
