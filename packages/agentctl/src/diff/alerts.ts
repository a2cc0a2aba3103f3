import { isDeepStrictEqual } from "node:util";
import type { AlertsManifest, Host } from "@daruma/config";
import type { UnitChange } from "./document.ts";

/** Who is told of what, as policies of the host: each sink, and whatever else there is to say, as one line. */
export function alertPolicies(alerts: AlertsManifest | null): readonly (readonly [string, string])[] {
  if (alerts === null) return [];
  const { sinks, agents, routines, to, ...others } = alerts;
  const rules = (kind: string, each: Readonly<Record<string, object>>) =>
    Object.entries(each).map(([name, rule]) => [`alerts.${kind}.${name}`, JSON.stringify(rule)] as const);
  return [
    ...rules("sinks", sinks),
    ["alerts.to", to.join(", ")],
    ...rules("agents", agents),
    ...rules("routines", routines),
    ...Object.entries(others).map(([name, value]) => [`alerts.${name}`, JSON.stringify(value)] as const),
  ];
}

/** watchd's unit has the secrets of the sinks: with others it is restarted, and agents run on. */
export function diffAlertSecrets(before: Host | undefined, after: Host): UnitChange[] {
  if (before === undefined || isDeepStrictEqual(secretsOf(before), secretsOf(after))) return [];
  return [{ unit: "daruma-watchd.service", action: "restart", reasons: ["the secrets of its alerts"] }];
}

function secretsOf({ alerts }: Host): readonly (readonly [string, string | null])[] {
  const sinks = Object.entries(alerts?.sinks ?? {}).map(([name, sink]) => [name, sink.credential] as const);
  return [...sinks, ["", alerts?.deadMansSwitch?.credential ?? null]];
}
