import {
  type AgentEgress,
  type AgentSpec,
  egressSubjects,
  formatRule,
  type Host,
  hostProxyPorts,
  isNetwork,
  type RoutineSpec,
  type ScopedRule,
} from "@daruma/config";
import type { EgressChange } from "./document.ts";

/** What an agent or a routine may reach more and less than before. `undefined` for one that is not there. */
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
  /** The proxy's port of each agent and routine with rules. */
  readonly ports: ReadonlyMap<string, number>;
  /** Who is behind the wall, with the ports that stay open; `null` without a wall. */
  readonly wall: string | null;
}

export function egressUnits(host: Host): EgressUnits {
  const ports = hostProxyPorts(host);
  const confined = host.egress.mode === "enforce" ? egressSubjects(host) : [];
  const wall = confined
    .filter(([subject]) => ports.has(subject))
    .map(([subject, each]) => [subject, ports.get(subject), forwardsOf(each)])
    .sort();
  return { ports, wall: wall.length === 0 ? null : JSON.stringify(wall) };
}

function forwardsOf({ egress }: AgentSpec | RoutineSpec): number[] {
  return (egress ?? []).flatMap((rule) => (isNetwork(rule) || rule.forward === null ? [] : [rule.forward]));
}
