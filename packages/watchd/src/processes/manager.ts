import { closeSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "@daruma/base";
import type { StopPolicy } from "@daruma/config";
import { watchdErrors } from "../catalogue.ts";
import type { ExitCause, Run, RunExit, ServiceManager, Usage } from "../ports.ts";
import { createStopFiles, type StopFiles } from "../stop-files.ts";
import { removeCredentials, removeOtherCredentials } from "./credentials.ts";
import { type EndingContext, endGracefully, kill } from "./ending.ts";
import { discard, type LaunchRequest, launch, type Prepared, prepare } from "./launch.ts";
import { keepLogsSmall } from "./log-keeper.ts";
import { readMarkers } from "./markers.ts";
import { membersOf } from "./membership.ts";
import { checkPort } from "./port-check.ts";
import {
  couldNotLook,
  type ProcessInfo,
  type ProcessTable,
  readProcess,
  readProcessTable,
} from "./process-table.ts";
import { usageOfRuns } from "./process-usage.ts";
import { searchMachine } from "./recovery.ts";
import { removeOtherRecords, removeRecord, writeRecord } from "./run-record.ts";
import { SharedLook } from "./shared-look.ts";
import { agentPaths, homeOf, openSite, type ProcessManagerOptions, type Site } from "./site.ts";
import {
  causeOfChild,
  causeOfZombie,
  type Ending,
  type TrackedRun,
  type TrackOptions,
  trackedRun,
} from "./tracked-run.ts";
import { createWaits } from "./waits.ts";

export type { ProcessManagerOptions } from "./site.ts";

/** How often adopted runs are looked at; nothing tells of their end. */
const adoptedLookMs = 100;

/** How long a start waits for what an earlier run left behind, once that has been sent SIGKILL. */
const leftoverPatienceMs = 10_000;

export interface ProcessServices extends ServiceManager {
  start(request: LaunchRequest): Promise<Run>;
}

/**
 * Agents as child processes: what `agentctl dev` runs on. They outlive this process, and the next manager of the same
 * state directory adopts them.
 *
 * @throws WATCHD_E_STATE_DIRECTORY, WATCHD_E_PLATFORM
 */
export function createProcessManager(options: ProcessManagerOptions): ProcessServices {
  return new ProcessManager(openSite(options));
}

class ProcessManager implements ProcessServices {
  readonly #site: Site;
  readonly #runs = new Map<string, TrackedRun>();
  readonly #listeners: ((exit: RunExit) => void)[] = [];
  readonly #context: EndingContext;
  readonly #stopFiles: StopFiles;
  readonly #logs: { close(): void };
  #look: NodeJS.Timeout | null = null;
  #recovered = false;
  #closed = false;

  constructor(site: Site) {
    this.#site = site;
    this.#stopFiles = createStopFiles(join(site.stateDir, "stopped"));
    const running = () => [...this.#runs.values()].map(({ home }) => home);
    this.#logs = keepLogsSmall({ homes: running, log: (text) => process.stderr.write(`watchd: ${text}\n`) });
    this.#context = {
      owner: site.owner,
      waits: createWaits(),
      processes: new SharedLook(),
      observe: (run) => this.#observe(run),
    };
  }

  async list(): Promise<readonly Run[]> {
    const table = this.#adopt();
    this.#observeAdopted();
    const alive = (run: TrackedRun) => isOwn(run) || isAlive(run, table);
    return [...this.#runs.values()].filter(alive).map(({ run }) => run);
  }

  async start(request: LaunchRequest): Promise<Run> {
    this.#recover();
    if (this.#runs.has(request.runId)) throw new Error(`run ${request.runId} exists already`);
    await this.#settle(request.agent);
    const url = request.manifest.health?.url;
    const portCheck = url === undefined ? null : checkPort(request.agent, url);
    const prepared = prepare(this.#site, request);
    const refused = await portCheck;
    if (refused !== null) {
      discard(prepared);
      throw refused;
    }
    if (this.#closed) {
      discard(prepared);
      throw watchdErrors.make("AGENT_E_START_FAILED", `agent ${request.agent}: watchd is stopping`);
    }
    return this.#launch(request, prepared);
  }

  async stop(runId: string, policy: StopPolicy): Promise<{ readonly forced: boolean }> {
    this.#recover();
    const run = this.#runs.get(runId);
    if (run === undefined) return { forced: false };
    const deadline = performance.now() + policy.graceMs;
    const gently = (ending: Ending) => endGracefully(run, policy.signal, ending, this.#context);
    const ending = run.ending ?? this.#end(run, deadline, gently);
    ending.deadline = Math.min(ending.deadline, deadline);
    return { forced: await ending.done };
  }

  onExit(listener: (exit: RunExit) => void): void {
    this.#listeners.push(listener);
  }

  /** Nobody but us starts and stops a child of ours. */
  onFound(): void {}
  onAsked(): void {}

  stopped(): Promise<ReadonlySet<string>> {
    return this.#stopFiles.list();
  }

  setStopped(agent: string, stopped: boolean): Promise<void> {
    return this.#stopFiles.set(agent, stopped);
  }

  async usage(runIds: readonly string[]): Promise<ReadonlyMap<string, Usage>> {
    this.#recover();
    const table = readProcessTable();
    const runs = runIds.map((runId) => this.#runs.get(runId)).filter((run) => run !== undefined);
    const alive = runs.filter((run) => isAlive(run, table));
    const world = { table, owner: this.#site.owner, markersOf: readMarkers, self: process.pid };
    return usageOfRuns(membersOf(alive, world));
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#logs.close();
    if (this.#look !== null) clearInterval(this.#look);
    this.#look = null;
    this.#context.waits.release();
    for (const { child } of this.#runs.values()) child?.unref();
  }

  /** From the start of the process to its place in our books nothing may wait: a list in between would adopt it. */
  async #launch(request: LaunchRequest, prepared: Prepared): Promise<Run> {
    const launched = launch(prepared);
    if (launched instanceof Promise) {
      discard(prepared);
      throw await launched;
    }
    closeSync(prepared.log);
    const { agent, runId, manifest } = request;
    const { child, pid } = launched;
    const run: Run = { agent, runId, digest: manifest.digest, pid, startedAt: Date.now() };
    const startTicks = startTicksOf(pid);
    const tracked = this.#track({ run, startTicks, sessionTrusted: true, child });
    try {
      if (startTicks === 0) throw new Error("its start time cannot be read");
      writeRecord(this.#site.recordDir, {
        ...run,
        startTicks,
        bootId: this.#site.bootId,
        owner: this.#site.owner,
      });
    } catch (cause) {
      throw await this.#undo(tracked, cause);
    }
    return run;
  }

  /** A run that a next watchd would not find again must not be. */
  async #undo(run: TrackedRun, cause: unknown): Promise<Error> {
    run.ended = true;
    await this.#sweep(run).done;
    return watchdErrors.make(
      "AGENT_E_START_FAILED",
      `agent ${run.run.agent}: cannot record its start: ${messageOf(cause)}`,
      { where: this.#site.recordDir, cause },
    );
  }

  #track(options: Omit<TrackOptions, "home">): TrackedRun {
    const tracked = trackedRun({ ...options, home: homeOf(this.#site, options.run.agent) });
    this.#runs.set(tracked.runId, tracked);
    this.#context.processes.forget();
    tracked.child?.once("exit", (code, signal) => this.#exited(tracked, causeOfChild(code, signal)));
    if (tracked.child === null && this.#look === null && !this.#closed) {
      this.#look = setInterval(() => this.#observeAdopted(), adoptedLookMs);
    }
    return tracked;
  }

  #exited(run: TrackedRun, cause: ExitCause): void {
    run.markExited();
    if (run.ended) return;
    run.ended = true;
    if (this.#closed) return;
    const { agent, runId } = run.run;
    // CLOCK_MONOTONIC, as it is seen: a child's end is an event, and nothing tells of it later.
    const at = Number(process.hrtime.bigint()) / 1e6;
    try {
      for (const listener of this.#listeners) listener({ agent, runId, cause, at });
    } finally {
      // After the news is out: looking for what the run left behind takes milliseconds.
      this.#sweep(run);
    }
  }

  /** Kills what is left of a run that has ended. */
  #sweep(run: TrackedRun): Ending {
    return run.ending ?? this.#end(run, 0, () => kill(run, this.#context));
  }

  #end(run: TrackedRun, deadline: number, work: (ending: Ending) => Promise<boolean>): Ending {
    const done = Promise.resolve().then(async () => {
      try {
        const forced = await work(ending);
        this.#forget(run);
        return forced;
      } catch (error) {
        run.ending = null;
        throw error;
      }
    });
    // Nobody may be waiting; then the next start or stop tries again and meets the error itself.
    done.catch(() => undefined);
    const ending: Ending = { deadline, done };
    run.ending = ending;
    return ending;
  }

  #forget(run: TrackedRun): void {
    this.#runs.delete(run.runId);
    const { agent } = run.run;
    if ([...this.#runs.values()].some((other) => other.run.agent === agent)) return;
    removeCredentials(agentPaths(this.#site, agent).credentials);
    // Each run of a routine has a name of its own, and its record would stay for ever.
    if (this.#site.kind === "routines") removeRecord(this.#site.recordDir, agent);
  }

  /** Waits until nothing is left of the agent's runs that have ended or are being stopped. */
  async #settle(agent: string): Promise<void> {
    for (const run of [...this.#runs.values()]) {
      if (run.run.agent !== agent || !(run.ended || run.ending !== null)) continue;
      const ending = this.#sweep(run);
      const patienceMs = Math.max(ending.deadline - performance.now(), 0) + leftoverPatienceMs;
      const why = await this.#context.waits
        .within(ending.done, patienceMs)
        .then((gone) => (gone ? null : "its processes do not end"), messageOf);
      if (why !== null) {
        throw watchdErrors.make(
          "AGENT_E_START_FAILED",
          `agent ${agent}: run ${run.runId} is not over: ${why}`,
        );
      }
    }
  }

  #recover(): void {
    if (!this.#recovered) this.#adopt();
  }

  /**
   * Takes in the runs of this state directory that we do not know yet, and returns the table it looked at: without our own children,
   * whose pids nobody else has before their exit is an event here.
   */
  #adopt(): ProcessTable {
    const first = !this.#recovered;
    const own = [...this.#runs.values()].filter(isOwn).map(({ pid }) => pid);
    const { table, found } = searchMachine(this.#site, this.#runs.values(), first, new Set(own));
    this.#recovered = true;
    for (const { run, startTicks } of found.alive) {
      this.#track({ run, startTicks, sessionTrusted: true, child: null });
    }
    for (const leftover of found.leftovers) {
      const run: Run = { ...leftover, pid: 0, startedAt: 0 };
      const tracked = this.#track({ run, startTicks: 0, sessionTrusted: false, child: null });
      tracked.ended = true;
      this.#sweep(tracked);
    }
    if (first) {
      const agents = new Set([...this.#runs.values()].map(({ run }) => run.agent));
      removeOtherCredentials(this.#site.credentialsDir, agents);
      if (this.#site.kind === "routines") removeOtherRecords(this.#site.recordDir, agents);
    }
    return table;
  }

  #observeAdopted(): void {
    const adopted = [...this.#runs.values()].filter((run) => run.child === null && !run.ended);
    for (const run of adopted) this.#observe(run);
    if (adopted.length > 0 || this.#look === null) return;
    clearInterval(this.#look);
    this.#look = null;
  }

  /** An own child's end comes as an event; an adopted run's has to be looked for. */
  #observe(run: TrackedRun): void {
    if (run.ended || run.child !== null) return;
    let info: ProcessInfo | null;
    try {
      info = readProcess(run.pid);
    } catch (error) {
      if (couldNotLook(error)) return;
      throw error;
    }
    if (info?.startTicks !== run.startTicks) this.#exited(run, causeOfZombie(null));
    else if (!info.alive) this.#exited(run, causeOfZombie(info));
  }
}

/** 0 when it cannot be told. Until its exit event a child of ours is in /proc, if only as a zombie. */
function startTicksOf(pid: number): number {
  try {
    return readProcess(pid)?.startTicks ?? 0;
  } catch (error) {
    if (couldNotLook(error)) return 0;
    throw error;
  }
}

/** A child that we have not yet been told of that it has ended: until then its pid is nobody else's (wait(2)). */
function isOwn(run: TrackedRun): boolean {
  return run.child !== null && !run.ended;
}

function isAlive(run: TrackedRun, table: ProcessTable): boolean {
  const leader = table.get(run.pid);
  return !run.ended && leader?.alive === true && leader.startTicks === run.startTicks;
}
