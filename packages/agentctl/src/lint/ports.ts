import type { Host } from "@daruma/config";
import { isNetwork } from "@daruma/config";

interface PortUse {
  readonly agent: string;
  readonly port: number;
  /** Below the host. */
  readonly path: readonly (string | number)[];
  readonly what: string;
  /** The agent itself listens there; it may say so in several places. */
  readonly listens: boolean;
}

/** Ports of the loopback address of a host that two agents, or an agent and a forward, want. */
export function portClashes(host: Host): { readonly path: PortUse["path"]; readonly message: string }[] {
  const owners = new Map<number, PortUse>();
  return Object.keys(host.agents)
    .flatMap((agent) => usesOf(host, agent))
    .flatMap((use) => {
      const owner = owners.get(use.port);
      owners.set(use.port, owner ?? use);
      if (owner === undefined || (owner.agent === use.agent && owner.listens && use.listens)) return [];
      const message = `port ${use.port} is ${owner.what} of the agent ${owner.agent} already`;
      return [{ path: use.path, message }];
    });
}

/** Variables by which programs are told on which port to listen. Others name the ports of somebody else. */
const listening = /^(?:HTTP_|LISTEN_|SERVER_)?PORT$/;

function usesOf(host: Host, agent: string): PortUse[] {
  const spec = host.agents[agent];
  if (spec === undefined) return [];
  const path = ["agents", agent];
  const url = spec.health === null ? undefined : new URL(spec.health.url);
  const isLocal = url !== undefined && /^(?:127\.[\d.]+|localhost|\[::1\])$/.test(url.hostname);
  const health = isLocal
    ? [
        {
          agent,
          port: portOf(url),
          path: [...path, "health", "http"],
          what: "the health check",
          listens: true,
        },
      ]
    : [];
  const variables = Object.entries(spec.environment).flatMap(([name, value]) => {
    if (!listening.test(name) || typeof value !== "string" || !/^[1-9]\d{0,4}$/.test(value)) return [];
    return [{ agent, port: Number(value), path: [...path, "environment", name], what: name, listens: true }];
  });
  const forwards = (spec.egress ?? []).flatMap((rule, index) => {
    if (isNetwork(rule) || rule.forward === null) return [];
    const at = [...path, "egress", index, "forward"];
    return [{ agent, port: rule.forward, path: at, what: "a forward", listens: false }];
  });
  return [...health, ...variables, ...forwards];
}

function portOf(url: URL): number {
  return url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port);
}
