import { isDeepStrictEqual } from "node:util";
import {
  type AgentSpec,
  agentEgress,
  type Fleet,
  type Host,
  type SourceReference,
  type Word,
} from "@daruma/config";
import type { FleetDiff, HostDiff, UnitChange } from "./document.ts";
import { diffEgress, egressUnits } from "./egress.ts";
import { changedKeys, diffPolicies, hostPolicies, policyOptions, unitOptions } from "./options.ts";

/** What became of a source's directory: `unknown` where it is not in the repository. */
export type SourceState = "same" | "changed" | "unknown";

export interface DiffOptions {
  /** Compares the directory of a source before with the one after. */
  readonly sourceState: (before: string, after: string) => SourceState;
  /** What else is to be said, such as that the packages themselves change. */
  readonly notes: readonly string[];
}

/** What a deploy would do that takes a fleet from one state to another. Pure. */
export function diffFleets(before: Fleet, after: Fleet, options: DiffOptions): FleetDiff {
  const names = [...new Set([...Object.keys(before.hosts), ...Object.keys(after.hosts)])].sort();
  const hosts = names.map((name) => diffHost(name, before.hosts[name], after.hosts[name], options));
  return { hosts, notes: options.notes };
}

/** A host of which nothing is there. */
const nothing = { agents: {} };

function diffHost(
  host: string,
  before: Host | undefined,
  after: Host | undefined,
  options: DiffOptions,
): HostDiff {
  // Nobody deploys to it any more, so that nothing happens there.
  if (after === undefined) return { host, state: "removed", units: [], egress: [], policies: [] };
  const old: Readonly<Record<string, AgentSpec>> = (before ?? nothing).agents;
  const now: Readonly<Record<string, AgentSpec>> = after.agents;
  const names = [...new Set([...Object.keys(old), ...Object.keys(now)])].sort();
  const ports = { old: before && egressUnits(before).ports, now: egressUnits(after).ports };
  const units = names.map((name) => {
    const moved = ports.old?.get(name) !== ports.now.get(name);
    const rules = !isDeepStrictEqual(reach(before, old[name]), reach(after, now[name]));
    return diffUnit(
      name,
      old[name],
      now[name],
      [...(rules ? ["egress"] : []), ...(moved && !rules ? ["the proxy's port"] : [])],
      options,
    );
  });
  const egress = names.flatMap((name) => diffEgress(name, reach(before, old[name]), reach(after, now[name])));
  const policies =
    before === undefined
      ? []
      : [
          ...diffPolicies(null, hostPolicies(before), hostPolicies(after)),
          ...names.flatMap((name) => diffAgentPolicies(name, old[name], now[name])),
        ];
  const all = [...units, ...diffEgressUnits(before, after)];
  const changed = policies.length > 0 || egress.length > 0 || all.some(({ action }) => action !== "none");
  const state = before === undefined ? "added" : changed ? "changed" : "unchanged";
  return { host, state, units: all, egress, policies };
}

function reach(host: Host | undefined, agent: AgentSpec | undefined) {
  return host === undefined || agent === undefined ? undefined : agentEgress(host.egress, agent.egress);
}

function diffUnit(
  name: string,
  before: AgentSpec | undefined,
  after: AgentSpec | undefined,
  reasons: readonly string[],
  { sourceState }: DiffOptions,
): UnitChange {
  const unit = `daruma-agent-${name}.service`;
  if (before === undefined) return { unit, action: "start", reasons: ["it is new"] };
  if (after === undefined) return { unit, action: "stop", reasons: ["it is removed"] };
  const options = changedKeys(unitOptions(before), unitOptions(after));
  const all = [...options, ...reasons, ...changedSources(before, after, sourceState)];
  return { unit, action: all.length === 0 ? "none" : "restart", reasons: all };
}

/** Sources that are named as before and whose files changed. */
function changedSources(
  before: AgentSpec,
  after: AgentSpec,
  sourceState: DiffOptions["sourceState"],
): string[] {
  const old = new Set(sourcesOf(before));
  return [...new Set(sourcesOf(after))]
    .filter((directory) => old.has(directory) && sourceState(directory, directory) === "changed")
    .map((directory) => `the code in ${directory}`);
}

/** The directories of an agent's sources. */
export function sourcesOf({ command, environment, fallback }: AgentSpec): string[] {
  return [command, environment, fallback?.command ?? [], fallback?.environment ?? {}]
    .flatMap((words): Word[] => Object.values(words))
    .filter((word): word is SourceReference => typeof word !== "string" && word.ref === "source")
    .map(({ directory }) => directory);
}

function diffAgentPolicies(name: string, before: AgentSpec | undefined, after: AgentSpec | undefined) {
  if (before === undefined || after === undefined) return [];
  return diffPolicies(name, policyOptions(before), policyOptions(after));
}

/** The units that are there because some agent has egress rules. */
function diffEgressUnits(before: Host | undefined, after: Host): UnitChange[] {
  const old = before && egressUnits(before);
  const now = egressUnits(after);
  const proxy = presence(
    "daruma-egressd.service",
    (old?.ports.size ?? 0) > 0,
    now.ports.size > 0,
    "has egress rules",
  );
  const hadWall = (old?.wall ?? null) !== null;
  const hasWall = now.wall !== null;
  const walls = wallUnits.flatMap((unit) => presence(unit, hadWall, hasWall, "is confined"));
  if (!hadWall || !hasWall || old?.wall === now.wall) return [...proxy, ...walls];
  const reload: UnitChange = {
    unit: "daruma-egress-wall.service",
    action: "reload",
    reasons: ["the kernel's rules change in place"],
  };
  return [...proxy, ...walls.map((each) => (each.unit === reload.unit ? reload : each))];
}

/** What runs wherever an agent is confined. What these start when it is needed comes and goes with them. */
const wallUnits = [
  "daruma-egress-wall.service",
  "daruma-egress-watch.service",
  "daruma-egress-self-test.path",
] as const;

function presence(unit: string, was: boolean, is: boolean, what: string): UnitChange[] {
  if (!was && !is) return [];
  if (was && is) return [{ unit, action: "none", reasons: [] }];
  return [
    is
      ? { unit, action: "start", reasons: [`the first agent ${what}`] }
      : { unit, action: "stop", reasons: [`no agent ${what} any more`] },
  ];
}
