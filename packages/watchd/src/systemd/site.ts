import { isAgentName, isUnitName, routineRunOf } from "../processes/markers.ts";
import type { RunName } from "../routines/services.ts";

/** Where things are on a host (modules/units/paths.nix). Only tests have them elsewhere. */
export interface SystemdSite {
  /** Traces that the units' hooks leave. */
  readonly exits: string;
  /** Which run is which of systemd's invocations. In memory: gone with the boot. */
  readonly runs: string;
  /** What runs of routines are told, and which invocation each is. In memory, too. */
  readonly routineRuns: string;
  /** Agents that are being held back, for the program that takes over when watchd cannot stay up (failed.sh). */
  readonly held: string;
  /** What a person has stopped. */
  readonly stopped: string;
  readonly cgroupRoot: string;
}

export const systemdSite: SystemdSite = {
  exits: "/run/daruma/exits",
  runs: "/run/daruma/runs",
  routineRuns: "/run/daruma/routine-runs",
  held: "/run/daruma/held",
  stopped: "/var/lib/daruma/stopped",
  cgroupRoot: "/sys/fs/cgroup",
};

const prefix = "daruma-agent-";
const suffix = ".service";

export const agentUnits = `${prefix}*${suffix}`;

export function unitOf(agent: string): string {
  return `${prefix}${agent}${suffix}`;
}

/** Null for a unit that is none of ours. */
export function agentOfUnit(unit: string): string | null {
  if (!unit.startsWith(prefix) || !unit.endsWith(suffix)) return null;
  const agent = unit.slice(prefix.length, -suffix.length);
  return isAgentName(agent) ? agent : null;
}

const routinePrefix = "daruma-routine-";

export const routineUnits = `${routinePrefix}*@*${suffix}`;

export function routineUnitOf({ routine, run }: RunName): string {
  return `${routinePrefix}${routine}@${run}${suffix}`;
}

/** Null for a unit that is no run of a routine. */
export function runOfUnit(unit: string): RunName | null {
  if (!unit.startsWith(routinePrefix) || !unit.endsWith(suffix)) return null;
  const name = unit.slice(routinePrefix.length, -suffix.length);
  return isUnitName(name) ? routineRunOf(name) : null;
}
