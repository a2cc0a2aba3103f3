import type { Problem } from "@daruma/base";
import { decodeFleet } from "./decode.ts";
import type { AgentSpec, RoutineSpec } from "./fleet.ts";
import { nixpkg, source } from "./references.ts";

export const minimalAgent = { command: [nixpkg("nodejs_24", "bin/node"), source("./enricher", "main.js")] };

/** A fleet of one host with one agent, which the given settings change. */
export function fleetWith(agent: object, host: object = {}): unknown {
  return {
    hosts: {
      "etl-01": { system: "x86_64-linux", agents: { enricher: { ...minimalAgent, ...agent } }, ...host },
    },
  };
}

export const agentPath = "hosts.etl-01.agents.enricher";

/** All problems of a fleet; none when it is valid. */
export function problemsIn(fleet: unknown): readonly Problem[] {
  const decoded = decodeFleet(fleet);
  return decoded.ok ? [] : decoded.problems;
}

/** The paths of an agent's problems, from the agent on. */
export function agentProblems(agent: object): readonly string[] {
  return problemsIn(fleetWith(agent)).map(({ path }) => path.replace(`${agentPath}.`, ""));
}

/** The decoded agent of a fleet that has to be valid. */
export function decodedAgent(agent: object): AgentSpec {
  const decoded = decodeFleet(fleetWith(agent));
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  const spec = decoded.fleet.hosts["etl-01"]?.agents.enricher;
  if (spec === undefined) throw new Error("the agent is gone");
  return spec;
}

/** The decoded routine of a fleet that has to be valid. */
export function decodedRoutine(routine: object): RoutineSpec {
  const decoded = decodeFleet(
    fleetWith({}, { routines: { nightly: { command: ["/bin/true"], ...routine } } }),
  );
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  const spec = decoded.fleet.hosts["etl-01"]?.routines.nightly;
  if (spec === undefined) throw new Error("the routine is gone");
  return spec;
}
