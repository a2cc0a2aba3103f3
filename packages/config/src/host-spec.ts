import type { AlertsManifest } from "./alerts/manifest.ts";
import type { HostEgress } from "./egress/rule.ts";
import type { AgentSpec, Fleet, Host, RoutineSpec } from "./fleet.ts";
import type { DriftPolicy, WatchdogPolicy } from "./manifest.ts";
import type { HostMetrics } from "./metrics-schema.ts";
import type { System } from "./words.ts";

/**
 * One compiled host: everything its `host.json` will have except real paths and digests, which only the machine that
 * builds it knows. Plain JSON.
 */
export interface HostSpec {
  readonly schemaVersion: 1;
  readonly host: string;
  readonly system: System;
  readonly watchdog: WatchdogPolicy;
  readonly drift: DriftPolicy;
  readonly egress: HostEgress;
  readonly alerts: AlertsManifest | null;
  readonly metrics: HostMetrics | null;
  readonly agents: Readonly<Record<string, AgentSpec>>;
  readonly routines: Readonly<Record<string, RoutineSpec>>;
}

/** The hosts of a fleet, by name in code unit order, so that nothing depends on the order in the file. */
export function hostSpecs(fleet: Fleet): readonly HostSpec[] {
  return sortedEntries(fleet.hosts).map(([name, host]) => hostSpec(name, host));
}

export function hostSpec(name: string, host: Host): HostSpec {
  return {
    schemaVersion: 1,
    host: name,
    system: host.system,
    watchdog: host.watchdog,
    drift: host.drift,
    egress: host.egress,
    alerts: host.alerts,
    metrics: host.metrics,
    agents: Object.fromEntries(sortedEntries(host.agents)),
    routines: Object.fromEntries(sortedEntries(host.routines)),
  };
}

function sortedEntries<T>(record: Readonly<Record<string, T>>): [string, T][] {
  return Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));
}
