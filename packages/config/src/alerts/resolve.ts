import type { FleetSchema } from "../schema.ts";
import type { AlertsManifest } from "./manifest.ts";

type DecodedHost = (typeof FleetSchema)["Type"]["hosts"][string];

/** What a host says of alerts, with what its agents and routines say; null where nobody is told of anything. */
export function resolveAlerts({ alerts, agents, routines }: DecodedHost): AlertsManifest | null {
  const { sinks, deadMansSwitch, quiet, digest } = alerts;
  if (Object.keys(sinks).length === 0 && deadMansSwitch === undefined) return null;
  const spare = new Set(Object.values(sinks).map(({ fallback }) => fallback));
  const to = alerts.to.length > 0 ? alerts.to : Object.keys(sinks).filter((name) => !spare.has(name));
  return {
    sinks: mapSorted(sinks, (sink) => ({
      kind: sink.kind,
      credential: sink.credential ?? null,
      url: sink.url ?? null,
      from: sink.from ?? null,
      to: sink.to,
      user: sink.user ?? null,
      template: sink.template ?? null,
      language: sink.language,
      fallback: sink.fallback ?? null,
      private: sink.private,
    })),
    to: [...to].sort(),
    agents: mapSorted(agents, ({ alerts: own }) => ({
      on: own.on ?? alerts.agents,
      afterMs: own.after ?? alerts.after,
      to: own.to ?? [...to].sort(),
    })),
    routines: mapSorted(routines, ({ alerts: own }) => ({
      on: own.on ?? alerts.routines,
      to: own.to ?? [...to].sort(),
    })),
    quiet: quiet ?? null,
    digest: { after: digest.after, withinMs: digest.within, everyMs: digest.every },
    giveUpMs: alerts.giveUp,
    deadMansSwitch:
      deadMansSwitch === undefined
        ? null
        : {
            credential: deadMansSwitch.credential,
            url: deadMansSwitch.url,
            everyMs: deadMansSwitch.every,
            private: deadMansSwitch.private,
          },
  };
}

function mapSorted<T, R>(record: Readonly<Record<string, T>>, map: (value: T) => R): Record<string, R> {
  const entries = Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([name, value]) => [name, map(value)]));
}
