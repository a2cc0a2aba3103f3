import { join } from "node:path";
import type { StopPolicy } from "@daruma/config";
import { watchdErrors } from "../catalogue.ts";
import type { Run, RunExit, ServiceManager, StartRequest, Usage } from "../ports.ts";
import { checkPort } from "../processes/port-check.ts";
import { readEnvironment } from "../processes/process-table.ts";
import { createStopFiles, type StopFiles } from "../stop-files.ts";
import { AgentUnit } from "./agent-unit.ts";
import type { Surroundings } from "./binding.ts";
import { openBindingFiles } from "./binding-files.ts";
import { createEdges, type Edges } from "./edges.ts";
import { usageOfGroup } from "./group-usage.ts";
import { openHeldFiles } from "./held-files.ts";
import { agentOfUnit, agentUnits, type SystemdSite, systemdSite, unitOf } from "./site.ts";
import { createSystemctl, type Systemctl } from "./systemctl.ts";
import { createTraces, traceWithinMs } from "./traces.ts";
import type { UnitContext } from "./unit-context.ts";

export interface SystemdOptions {
  /** What is not given is where NixOS has it. */
  readonly site?: Partial<SystemdSite>;
  readonly systemctl?: Systemctl;
  /** Whether a switch is under way. */
  readonly isSwitching: () => boolean;
  readonly log: (message: string) => void;
  readonly holdAfterMs?: number;
  readonly traceWithinMs?: number;
  /** Resolves once the settings that are to stand in for agents' own are in force, so that the unit is what is asked for. */
  readonly standInsSettled?: (agent: string) => Promise<void>;
}

/** Units restart by themselves 15 s after they failed (modules/units/agent.nix); before that they are held. */
const holdAfterMs = 10_000;
/** Units whose state has not changed and that are looked at all the same, each time. */
const inTurn = 5;

/**
 * Agents as systemd units. systemd starts, isolates and limits them, and is the safety net; when they are started is for
 * the core to say. Everything goes through systemctl: the D-Bus libraries for Node leak, or are too young to be trusted.
 *
 * @throws WATCHD_E_STATE_DIRECTORY
 */
export function createSystemdManager(options: SystemdOptions): ServiceManager {
  return new SystemdManager(options);
}

class SystemdManager implements ServiceManager {
  readonly #site: SystemdSite;
  readonly #systemctl: Systemctl;
  readonly #closing = new AbortController();
  readonly #units = new Map<string, AgentUnit>();
  /** State of each unit when it was last looked at, as `list-units` shows it. */
  readonly #states = new Map<string, string>();
  #inTurn = 0;
  readonly #context: UnitContext;
  readonly #edges: Edges;
  readonly #stopFiles: StopFiles;
  readonly #standInsSettled: (agent: string) => Promise<void>;
  readonly #onExit: ((exit: RunExit) => void)[] = [];
  readonly #onAsked: ((run: Pick<Run, "agent" | "runId">) => void)[] = [];
  readonly #onFound: (() => void)[] = [];

  constructor(options: SystemdOptions) {
    this.#site = { ...systemdSite, ...options.site };
    this.#systemctl = options.systemctl ?? createSystemctl(this.#closing.signal);
    this.#standInsSettled = options.standInsSettled ?? (async () => undefined);
    this.#stopFiles = createStopFiles(this.#site.stopped);
    const files = openBindingFiles(this.#site.runs, options.log);
    this.#edges = createEdges({
      ...this.#site,
      onTrace: (agent) => this.#units.get(agent)?.traced(),
      onEmpty: (agent) => this.#units.get(agent)?.emptied(),
      log: options.log,
    });
    this.#context = {
      systemctl: this.#systemctl,
      traces: createTraces(this.#site.exits),
      edges: this.#edges,
      files,
      held: openHeldFiles(this.#site.held),
      surroundings: readSurroundings,
      checkPort,
      cgroupRoot: this.#site.cgroupRoot,
      holdAfterMs: options.holdAfterMs ?? holdAfterMs,
      traceWithinMs: options.traceWithinMs ?? traceWithinMs,
      isSwitching: options.isSwitching,
      onExit: (exit) => this.#tellExit(exit),
      onAsked: (run) => this.#tellAsked(run),
      onFound: () => this.#tellFound(),
      log: options.log,
    };
    for (const agent of files.found.keys()) this.#unit(agent);
  }

  async list(): Promise<readonly Run[]> {
    const summaries = new Map<string, string>();
    for (const { unit, state } of await this.#systemctl.units(agentUnits)) {
      const agent = agentOfUnit(unit);
      if (agent !== null) summaries.set(agent, state);
    }
    for (const agent of summaries.keys()) this.#unit(agent);
    const looked = this.#toLookAt(summaries);
    const ages = new Map(looked.map((unit) => [unit.agent, unit.age]));
    if (looked.length > 0) {
      for (const facts of await this.#systemctl.show(looked.map(({ agent }) => unitOf(agent)))) {
        const unit = this.#units.get(agentOfUnit(facts.unit) ?? "");
        unit?.take(facts, ages.get(unit.agent) ?? -1);
      }
      for (const { agent } of looked) this.#states.set(agent, summaries.get(agent) ?? "");
    }
    return [...this.#units.values()].flatMap(({ run }) => run ?? []);
  }

  async start(request: StartRequest): Promise<Run> {
    const { agent } = request;
    if ((await this.#stopFiles.list()).has(agent))
      throw watchdErrors.make("WATCHD_E_STOPPED_BY_PERSON", `agent ${agent}: a person has stopped it`);
    await this.#standInsSettled(agent);
    return this.#unit(agent).start(request);
  }

  async stop(runId: string, policy: StopPolicy): Promise<{ readonly forced: boolean }> {
    const unit = [...this.#units.values()].find(({ run }) => run?.runId === runId);
    return unit === undefined ? { forced: false } : unit.stop(runId, policy);
  }

  onExit(listener: (exit: RunExit) => void): void {
    this.#onExit.push(listener);
  }

  onAsked(listener: (run: Pick<Run, "agent" | "runId">) => void): void {
    this.#onAsked.push(listener);
  }

  onFound(listener: () => void): void {
    this.#onFound.push(listener);
  }

  stopped(): Promise<ReadonlySet<string>> {
    return this.#stopFiles.list();
  }

  async setStopped(agent: string, stopped: boolean): Promise<void> {
    await this.#stopFiles.set(agent, stopped);
    if (stopped && this.#unit(agent).run === null) await this.#unit(agent).endWaiting();
  }

  async usage(runIds: readonly string[]): Promise<ReadonlyMap<string, Usage>> {
    const wanted = new Set(runIds);
    const used = new Map<string, Usage>();
    for (const { run, controlGroup } of this.#units.values()) {
      if (run === null || controlGroup === "" || !wanted.has(run.runId)) continue;
      const usage = usageOfGroup(join(this.#site.cgroupRoot, controlGroup));
      if (usage !== null) used.set(run.runId, usage);
    }
    return used;
  }

  /** What we hold back is left to systemd, as everything else is; but in mid-switch the next watchd is about to come. */
  async close(): Promise<void> {
    if (!this.#context.isSwitching()) await this.#releaseHeld();
    this.#closing.abort();
    this.#edges.close();
    for (const unit of this.#units.values()) unit.close();
  }

  async #releaseHeld(): Promise<void> {
    for (const agent of this.#context.held.list()) {
      const { ok } = await this.#systemctl.startLater(unitOf(agent));
      if (ok) this.#context.held.drop(agent);
    }
  }

  #unit(agent: string): AgentUnit {
    const known = this.#units.get(agent);
    if (known !== undefined) return known;
    const unit = new AgentUnit(agent, this.#context);
    this.#units.set(agent, unit);
    return unit;
  }

  #tellExit(exit: RunExit): void {
    if (this.#closing.signal.aborted) return;
    for (const listener of this.#onExit) listener(exit);
  }

  #tellAsked(run: Pick<Run, "agent" | "runId">): void {
    if (this.#closing.signal.aborted) return;
    for (const listener of this.#onAsked) listener(run);
  }

  #tellFound(): void {
    if (this.#closing.signal.aborted) return;
    for (const listener of this.#onFound) listener();
  }

  /** Units whose state is not what we take it for, and in turn a few of the others: an edge may have been lost. */
  #toLookAt(states: ReadonlyMap<string, string>): readonly AgentUnit[] {
    const units = [...this.#units.values()];
    const from = this.#inTurn;
    this.#inTurn = from + inTurn >= units.length ? 0 : from + inTurn;
    return units.filter(({ agent, run }, index) => {
      const state = states.get(agent);
      const changed = this.#states.get(agent) !== state || (run !== null) !== isUp(state);
      return changed || (index >= from && index < from + inTurn);
    });
  }
}

/** Whether a unit in this state has a main process, as far as its state alone tells. */
function isUp(state: string | undefined): boolean {
  return state === "active/running";
}

function readSurroundings(): Surroundings {
  return { mono: Number(process.hrtime.bigint()) / 1e6, wall: Date.now(), digestOf };
}

/** Out of the environment that systemd gave to a process (modules/units/agent.nix). */
function digestOf(pid: number): string | null {
  const variables = readEnvironment(pid)?.split("\0") ?? [];
  return (
    /^DARUMA_DIGEST=([0-9a-f]+)$/.exec(
      variables.find((each) => each.startsWith("DARUMA_DIGEST=")) ?? "",
    )?.[1] ?? null
  );
}
