import { setTimeout as delay } from "node:timers/promises";
import type { StopPolicy } from "@daruma/config";
import { isUnitName, routineRunOf } from "../processes/markers.ts";
import type { RoutineExit, RoutineServices, RunName, RunStart } from "../routines/services.ts";
import { createEdges, type Edges } from "./edges.ts";
import { openRoutineFiles } from "./routine-files.ts";
import { type RoutineContext, RoutineUnit } from "./routine-unit.ts";
import { routineUnitOf, routineUnits, runOfUnit, type SystemdSite, systemdSite } from "./site.ts";
import { createSystemctl, type Systemctl } from "./systemctl.ts";
import { createTraces } from "./traces.ts";

export interface RoutineUnitsOptions {
  /** What is not given is where NixOS has it. */
  readonly site?: Partial<SystemdSite>;
  readonly systemctl?: Systemctl;
  /** Whether a switch is under way. */
  readonly isSwitching: () => boolean;
  readonly log: (message: string) => void;
}

const switchPollMs = 250;

/**
 * Runs of routines as instances of the template units that a generation has for its routines (modules/units/routine.nix).
 * Their memory is limited by systemd, and not measured here.
 *
 * @throws WATCHD_E_STATE_DIRECTORY
 */
export function createRoutineUnits(options: RoutineUnitsOptions): RoutineServices {
  return new RoutineUnits(options);
}

class RoutineUnits implements RoutineServices {
  readonly #systemctl: Systemctl;
  readonly #closing = new AbortController();
  readonly #runs = new Map<string, RoutineUnit>();
  readonly #context: RoutineContext;
  readonly #edges: Edges;
  readonly #isSwitching: () => boolean;
  readonly #onExit: ((exit: RoutineExit) => void)[] = [];

  constructor(options: RoutineUnitsOptions) {
    const site = { ...systemdSite, ...options.site };
    this.#systemctl = options.systemctl ?? createSystemctl(this.#closing.signal);
    this.#isSwitching = options.isSwitching;
    this.#edges = createEdges({
      ...site,
      onTrace: (key) => this.#runs.get(key)?.traced(),
      onEmpty: (key) => this.#runs.get(key)?.emptied(),
      log: options.log,
    });
    this.#context = {
      systemctl: this.#systemctl,
      traces: createTraces(site.exits),
      edges: this.#edges,
      files: openRoutineFiles(site.routineRuns),
      cgroupRoot: site.cgroupRoot,
      isSwitching: options.isSwitching,
      onExit: (exit) => {
        if (this.#closing.signal.aborted) return;
        for (const listener of this.#onExit) listener(exit);
      },
      log: options.log,
    };
    for (const key of this.#context.files.found.keys()) {
      const name = routineRunOf(key);
      if (name !== null && isUnitName(key)) this.#unit(name);
    }
  }

  async list(): Promise<readonly RunName[]> {
    for (const { unit } of await this.#systemctl.units(routineUnits)) {
      const name = runOfUnit(unit);
      if (name !== null) this.#unit(name);
    }
    const looked = [...this.#runs.values()].filter((run) => run.isAlive || !run.isKnown);
    const ages = new Map(looked.map((run) => [run.key, run.age]));
    for (const facts of await this.#systemctl.show(looked.map(({ unit }) => unit))) {
      const name = runOfUnit(facts.unit);
      const run = name === null ? undefined : this.#runs.get(`${name.routine}@${name.run}`);
      run?.take(facts, ages.get(run.key) ?? -1);
    }
    return [...this.#runs.values()].filter(({ isAlive }) => isAlive).map(({ name }) => name);
  }

  start(request: RunStart): Promise<void> {
    const { routine, run } = request;
    return this.#unit({ routine, run }).start(request);
  }

  async stop(name: RunName, policy: StopPolicy): Promise<void> {
    await this.#unit(name).stop(policy);
  }

  onExit(listener: (exit: RoutineExit) => void): void {
    this.#onExit.push(listener);
  }

  async memory(): Promise<ReadonlyMap<string, number>> {
    return new Map();
  }

  /** In the middle of a switch systemd may have the users and units of either generation. */
  async settled(): Promise<void> {
    while (this.#isSwitching() && !this.#closing.signal.aborted) await delay(switchPollMs);
  }

  async keep(active: ReadonlySet<string>): Promise<void> {
    for (const [key, run] of this.#runs) {
      if (!run.isOver || active.has(run.name.run)) continue;
      run.forget();
      this.#runs.delete(key);
    }
  }

  journalOf(name: RunName): string {
    return routineUnitOf(name);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#edges.close();
    for (const run of this.#runs.values()) run.close();
  }

  #unit(name: RunName): RoutineUnit {
    const key = `${name.routine}@${name.run}`;
    const known = this.#runs.get(key);
    if (known !== undefined) return known;
    const unit = new RoutineUnit(name, this.#context);
    this.#runs.set(key, unit);
    return unit;
  }
}
