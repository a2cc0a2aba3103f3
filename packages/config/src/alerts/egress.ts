import { isIP } from "node:net";
import { parseHost } from "../egress/host.ts";
import { type AgentEgress, type EgressProtocol, type ScopedRule, unrestricted } from "../egress/rule.ts";
import { type AlertsManifest, sinkUrl } from "./manifest.ts";

/** Name of egressd's socket for alerts, beside its other one. Only root and egressd itself may open it. */
export const alertsSocketName = "alerts.sock";

const usualPorts: Readonly<Record<string, number>> = {
  "https:": 443,
  "http:": 80,
  "smtps:": 465,
  "smtp:": 587,
};

/** Host and port of a sink's URL, with the port that its scheme implies. */
export function sinkAuthority(text: string): { readonly host: string; readonly port: number } {
  const { protocol, hostname, port } = new URL(text);
  const parsed = parseHost(hostname);
  if (!parsed.ok) throw new Error(`${hostname}: ${parsed.problem}`);
  const host = parsed.value.kind === "name" ? parsed.value.name : parsed.value.address;
  return { host, port: port === "" ? (usualPorts[protocol] ?? 443) : Number(port) };
}

/** What watchd may reach to tell of alerts: the hosts of its sinks and of the dead man's switch, and nothing else. */
export function alertsEgress({ sinks, deadMansSwitch }: AlertsManifest): AgentEgress {
  const places = [
    ...Object.values(sinks).map((sink) => ({ url: sinkUrl(sink), private: sink.private })),
    ...(deadMansSwitch === null ? [] : [deadMansSwitch]),
  ];
  const rules = places.map((place) => ruleFor(place.url, place.private));
  const distinct = new Map(rules.map((rule) => [JSON.stringify(rule), rule]));
  return { ...unrestricted, allow: [...distinct.values()], deny: [] };
}

function ruleFor(url: string, isPrivate: boolean): ScopedRule {
  const { host, port } = sinkAuthority(url);
  const { protocol } = new URL(url);
  const family = isIP(host);
  if (family !== 0) return { cidr: `${host}/${family === 4 ? 32 : 128}`, port, scope: "host" };
  const first: EgressProtocol = protocol === "https:" || protocol === "smtps:" ? "tls" : "tcp";
  return { host, port, protocol: first, private: isPrivate, forward: null, scope: "host" };
}
