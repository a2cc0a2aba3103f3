import { createHash } from "node:crypto";

/** Below the ports that Linux gives out by itself (32768 and up), above those that are well known. */
const first = 20480;
const count = 12288;

/**
 * The port of 127.0.0.1 on which each agent finds its proxy. It derives from the agent's name, so that adding an agent moves
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
