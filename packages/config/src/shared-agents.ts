import type { Sharing } from "./plain.ts";

/*
 * Large fleets have the same agents on many hosts. Where they are one object, what is found out about one is known of all.
 */

/**
 * Makes agents that are written alike, to the order of their keys, one object; in place.
 *
 * @param fleet a copy of what the user wrote in which everything is JSON: others could be taken for one another
 */
export function shareAgents(fleet: unknown): void {
  const known = new Map<string, unknown>();
  const seen = remembered((agent: object) => {
    const key = JSON.stringify(agent);
    const same = known.get(key) ?? agent;
    known.set(key, same);
    return same;
  });
  for (const host of Object.values(members(fleet, "hosts"))) {
    const agents = members(host, "agents");
    for (const [name, agent] of Object.entries(agents)) {
      if (typeof agent === "object" && agent !== null) agents[name] = seen(agent);
    }
  }
}

/** The agents of one name on many hosts are often written alike, and need to be copied once: `hosts.HOST.agents.NAME`. */
export const agentSharing: Sharing = ({ key, before }) => {
  if (before?.key !== "agents" || before.before?.before?.key !== "hosts") return undefined;
  return before.before.before.before === null && typeof key === "string" ? key : undefined;
};

/** `make` for each object once. */
export function remembered<K extends object, V>(make: (key: K) => V): (key: K) => V {
  const made = new Map<K, V>();
  return (key) => {
    const known = made.get(key);
    if (known !== undefined) return known;
    const value = make(key);
    made.set(key, value);
    return value;
  };
}

function members(value: unknown, key: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return {};
  const found: unknown = Reflect.get(value, key);
  if (typeof found !== "object" || found === null || Array.isArray(found)) return {};
  return found as Record<string, unknown>;
}
