import {
  type AgentEgress,
  type AgentSpec,
  agentEgress,
  formatRule,
  type Host,
  isNetwork,
  proxyPorts,
  type ScopedRule,
} from "@daruma/config";
import type { EgressChange } from "./document.ts";

/** What an agent may reach more and less than before. `undefined` for an agent that is not there. */
export function diffEgress(
  agent: string,
  before: AgentEgress | null | undefined,
  after: AgentEgress | null | undefined,
): EgressChange[] {
  const old = reachOf(before);
  const now = reachOf(after);
  const opened = [...[...now].filter((each) => !old.has(each)), ...lifted(before, after)];
  const closed = [...[...old].filter((each) => !now.has(each)), ...lifted(after, before)];
  return [
    ...opened.map((what): EgressChange => ({ agent, change: "opened", what })),
    ...closed.map((what): EgressChange => ({ agent, change: "closed", what })),
  ];
}

/** What may be reached; nothing by what is not there. */
function reachOf(egress: AgentEgress | null | undefined): ReadonlySet<string> {
  if (egress === undefined) return new Set();
  if (egress === null) return new Set(["everything: there are no rules"]);
  const observed = egress.mode === "observe" ? ["everything: its rules are only observed"] : [];
  return new Set([...observed, ...egress.allow.map(describeRule)]);
}

/** What was denied by rules before and is not any more. Where nothing was allowed, no denial was needed. */
function lifted(before: AgentEgress | null | undefined, after: AgentEgress | null | undefined): string[] {
  if (!before || !after) return [];
  const still = new Set(after.deny.map(describeRule));
  return before.deny
    .map(describeRule)
    .filter((each) => !still.has(each))
    .map((each) => `${each}, which was denied whatever else allows it`);
}

function describeRule(rule: ScopedRule): string {
  if (isNetwork(rule)) return formatRule(rule);
  const more = [
    rule.protocol,
    ...(rule.private ? ["also at private addresses"] : []),
    ...(rule.forward === null ? [] : [`at 127.0.0.1:${rule.forward}`]),
  ];
  return `${formatRule(rule)} (${more.join(", ")})`;
}

/** What of a host's egress is in its units. */
export interface EgressUnits {
  /** The proxy's port of each agent with rules. */
  readonly ports: ReadonlyMap<string, number>;
  /** Who is behind the wall, with the ports that stay open; `null` without a wall. */
  readonly wall: string | null;
}

export function egressUnits(host: Host): EgressUnits {
  const agents = Object.entries(host.agents);
  const withRules = agents.filter(([, { egress }]) => agentEgress(host.egress, egress) !== null);
  const taken = new Set(agents.flatMap(([, agent]) => forwardsOf(agent)));
  const ports = proxyPorts(
    withRules.map(([name]) => name),
    taken,
  );
  const confined = host.egress.mode === "enforce" ? withRules : [];
  const wall = confined.map(([name, agent]) => [name, ports.get(name), forwardsOf(agent)]).sort();
  return { ports, wall: confined.length === 0 ? null : JSON.stringify(wall) };
}

function forwardsOf({ egress }: AgentSpec): number[] {
  return (egress ?? []).flatMap((rule) => (isNetwork(rule) || rule.forward === null ? [] : [rule.forward]));
}
