import { join } from "node:path";
import { createFeeder, messageOf } from "@daruma/base";
import { run } from "./commands.ts";
import type { Machine } from "./drift/machine.ts";
import { createNixosMachine, type NixosMachineOptions } from "./drift/nixos-machine.ts";
import { createFailures, entriesOf, type WatchdFailure } from "./nixos/failures.ts";
import { createGatesFile } from "./nixos/gates-file.ts";
import { createNixosGenerations } from "./nixos/generations.ts";
import { createProvenFile } from "./nixos/proven-file.ts";
import { nixosSite } from "./nixos/site.ts";
import { switchUnit } from "./nixos/switching.ts";
import { systemsOf } from "./nixos/system-profile.ts";
import type { State } from "./policy/state.ts";
import type { Generations, ServiceManager } from "./ports.ts";
import type { RoutineServices } from "./routines/services.ts";
import type { Supervisor } from "./supervisor/supervisor.ts";
import { createSystemdManager } from "./systemd/manager.ts";
import { createRoutineUnits } from "./systemd/routine-units.ts";
import { type SystemdSite, systemdSite } from "./systemd/site.ts";
import { createStandInFiles } from "./systemd/stand-in-files.ts";
import { createSystemctl } from "./systemd/systemctl.ts";

export interface HostOptions {
  readonly state: string;
  readonly runtime: string;
  readonly log: (message: string) => void;
}

/** What watchd has to do on a NixOS host besides what it does everywhere. */
export interface Host {
  readonly services: ServiceManager;
  readonly runs: RoutineServices;
  readonly generations: Generations;
  readonly beforeActing: (state: State) => Promise<void>;
  readonly onReconciled: () => void;
  /** The host as drift detection sees it. */
  machine(options: Pick<NixosMachineOptions, "state" | "now" | "log" | "onChange">): Machine;
  /** A person vouches for the generation `path`. */
  readonly onAllow: (path: string) => Promise<void>;
  /** Tells of what happened while no watchd could stay up, now and whenever more is known of it. */
  tellFailures(supervisor: Supervisor): Promise<void>;
}

/** @throws WATCHD_E_STATE_DIRECTORY */
export function openHost({ state, runtime, log }: HostOptions): Host {
  const own = join(state, "watchd");
  const generations = createNixosGenerations({ site: { ...nixosSite, state: own } });
  const standIns = createStandInFiles({
    site: {
      copies: join(own, "stand-ins"),
      runtimeUnits: "/run/systemd/system",
      gcroots: nixosSite.gcroots,
    },
    systemctl: createSystemctl(new AbortController().signal),
    log,
  });
  const site: SystemdSite = {
    ...systemdSite,
    exits: join(runtime, "exits"),
    runs: join(runtime, "runs"),
    routineRuns: join(runtime, "routine-runs"),
    held: join(runtime, "held"),
    stopped: join(state, "stopped"),
  };
  const isSwitching = () => generations.isSwitching();
  const services = createSystemdManager({
    standInsSettled: (agent) => standIns.settled(agent),
    site,
    isSwitching,
    log,
  });
  const runs = createRoutineUnits({ site, isSwitching, log });
  const gates = createGatesFile({ state: own });
  const failures = createFailures({ state: own });
  const proven = createProvenFile(join(runtime, "proven"));
  const feeder = createFeeder(process.env, log);
  /** Entries that the journal has, of failures that are not marked as told yet. */
  const noted = new Set<string>();
  let teller: (() => Promise<void>) | null = null;
  return {
    services,
    runs,
    generations,
    machine: (about) =>
      createNixosMachine({ ...about, site: nixosSite, generations, systems: () => systemsOf(nixosSite) }),
    // The old one stays, which is safe for as long as watchd comes back.
    beforeActing: async (current) => {
      standIns.keep(current);
      await gates
        .keep(current)
        .catch((error) => log(`the gates file cannot be written: ${messageOf(error)}`));
      await proven
        .keep(current)
        .catch((error) => log(`nobody is told that this boot is a good one: ${messageOf(error)}`));
    },
    onReconciled: () => {
      feeder.feed();
      void teller?.().catch((error) => log(`an earlier failure cannot be told: ${messageOf(error)}`));
    },
    onAllow: (path) => failures.forgive(path),
    async tellFailures(supervisor) {
      let telling = false;
      teller = async () => {
        if (telling) return;
        telling = true;
        try {
          for (const failure of await failures.untold()) await tellFailure(failure, supervisor);
        } finally {
          telling = false;
        }
      };
      await teller();
    },
  };

  async function tellFailure({ id }: WatchdFailure, supervisor: Supervisor): Promise<void> {
    // A rollback without us restarts us in its middle: how it ends is not known before its unit is gone.
    if (await rollbackRuns()) return;
    const failure = (await failures.untold()).find((each) => each.id === id);
    if (failure === undefined) return;
    if (!noted.has(id)) for (const entry of entriesOf(failure)) await supervisor.note(entry);
    noted.add(id);
    if (failure.outcome?.verdict === "switched" && failure.rollback === failure.id) {
      const number = (await generations.list()).findLast(({ path }) => path === failure.from)?.number ?? 0;
      supervisor.dispatch({ type: "left-without-watchd", from: failure.from, number, incident: id });
      // Told for good only once it is known for good.
      await supervisor.until(({ quarantine }) => quarantine.some((entry) => entry.incident === id));
    }
    await failures.markTold(id);
  }

  async function rollbackRuns(): Promise<boolean> {
    const args = ["show", "--property=ActiveState", "--value", "--", switchUnit];
    const { stdout } = await run("systemctl", args, {
      timeoutMs: 10_000,
      signal: new AbortController().signal,
    });
    return !["inactive", "failed"].includes(stdout.trim());
  }
}
