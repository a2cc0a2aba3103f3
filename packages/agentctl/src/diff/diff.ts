import { isDeepStrictEqual } from "node:util";
import { type AgentSpec, agentEgress, type Fleet, type Host } from "@daruma/config";
import { diffAlertSecrets } from "./alerts.ts";
import type { FleetDiff, HostDiff, UnitChange } from "./document.ts";
import { diffEgress, egressUnits } from "./egress.ts";
import { changedKeys, diffPolicies, hostPolicies, policyOptions, unitOptions } from "./options.ts";
import { diffRoutines } from "./routines.ts";
import { changedSources, type SourceState } from "./sources.ts";

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
  const routines = diffRoutines(before, after, options.sourceState);
  const changes = {
    units: [
      ...units,
      ...routines.units,
      ...diffEgressUnits(before, after),
      ...diffAlertSecrets(before, after),
    ],
    egress: [...egress, ...routines.egress],
    policies: [...policies, ...routines.policies],
  };
  const changed =
    changes.policies.length > 0 ||
    changes.egress.length > 0 ||
    changes.units.some(({ action }) => action !== "none");
  const state = before === undefined ? "added" : changed ? "changed" : "unchanged";
  return { host, state, ...changes };
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

function diffAgentPolicies(name: string, before: AgentSpec | undefined, after: AgentSpec | undefined) {
  if (before === undefined || after === undefined) return [];
  return diffPolicies(name, policyOptions(before), policyOptions(after));
}

/** The units that are there because some agent or routine has egress rules. */
function diffEgressUnits(before: Host | undefined, after: Host): UnitChange[] {
  const old = before && egressUnits(before);
  const now = egressUnits(after);
  const proxy = presence(
    "daruma-egressd.service",
    (old?.ports.size ?? 0) > 0 || (before?.alerts ?? null) !== null,
    now.ports.size > 0 || after.alerts !== null,
    now.ports.size > 0 || (old?.ports.size ?? 0) > 0
      ? "the first agent or routine has egress rules"
      : "alerts have sinks",
    "no agent and no routine has egress rules any more",
  );
  const hadWall = (old?.wall ?? null) !== null;
  const hasWall = now.wall !== null;
  const walls = wallUnits.flatMap((unit) =>
    presence(
      unit,
      hadWall,
      hasWall,
      "the first agent or routine is confined",
      "no agent and no routine is confined any more",
    ),
  );
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

function presence(unit: string, was: boolean, is: boolean, first: string, last: string): UnitChange[] {
  if (!was && !is) return [];
  if (was && is) return [{ unit, action: "none", reasons: [] }];
  return [is ? { unit, action: "start", reasons: [first] } : { unit, action: "stop", reasons: [last] }];
}
