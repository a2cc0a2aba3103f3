import { createHash } from "node:crypto";
import { agentEgress, type EgressRule, egressSubjects, type HostEgress, isNetwork } from "./rule.ts";

/** Below the ports that Linux gives out by itself (32768 and up), above those that are well known. */
const first = 20480;
const count = 12288;

/**
 * The port of 127.0.0.1 on which each agent or routine finds its proxy. It derives from the name, so that adding one moves
 * no other, except one whose port it takes: names come in their order, and the later one moves on.
 *
 * @param taken ports that have another use
 * @param seed another one gives other ports; empty on a host, where modules/units/egress.nix computes the same
 */
export function proxyPorts(
  names: readonly string[],
  taken: ReadonlySet<number>,
  seed = "",
): ReadonlyMap<string, number> {
  const used = new Set(taken);
  const ports = new Map<string, number>();
  for (const name of [...names].sort()) {
    const hash = createHash("sha256").update(`${seed}${name}`).digest("hex");
    let port = first + (Number.parseInt(hash.slice(0, 4), 16) % count);
    while (used.has(port)) port = port + 1 < first + count ? port + 1 : first;
    used.add(port);
    ports.set(name, port);
  }
  return ports;
}

interface WithEgress {
  readonly egress: readonly EgressRule[] | null;
}

/** `proxyPorts` of all agents and routines of a host that have rules, by `egressSubjects`. */
export function hostProxyPorts(
  host: {
    readonly agents: Readonly<Record<string, WithEgress>>;
    readonly routines: Readonly<Record<string, WithEgress>>;
    readonly egress: HostEgress;
  },
  seed = "",
): ReadonlyMap<string, number> {
  const all = egressSubjects(host);
  const confined = all.filter(([, { egress }]) => agentEgress(host.egress, egress) !== null);
  const forwards = all
    .flatMap(([, { egress }]) => egress ?? [])
    .flatMap((rule) => (isNetwork(rule) || rule.forward === null ? [] : [rule.forward]));
  return proxyPorts(
    confined.map(([subject]) => subject),
    new Set(forwards),
    seed,
  );
}
