import { createHash } from "node:crypto";
import { readEnvironment } from "./process-table.ts";

/** What a process manager runs: agents, or runs of routines. */
export type RunKind = "agents" | "routines";

/**
 * What every agent process carries in its environment, and its children inherit: the one trace of a run that is there
 * from the first instruction on, before any record is written, and that survives a new session.
 */
export interface Markers {
  /** Which state directory's watchd started it. */
  readonly owner: string;
  readonly agent: string;
  readonly runId: string;
  readonly digest: string;
}

const variables = {
  owner: "DARUMA_OWNER",
  agent: "DARUMA_AGENT",
  runId: "DARUMA_RUN_ID",
  digest: "DARUMA_DIGEST",
} as const;

export function markerVariables(markers: Markers): Record<string, string> {
  return {
    [variables.owner]: markers.owner,
    [variables.agent]: markers.agent,
    [variables.runId]: markers.runId,
    [variables.digest]: markers.digest,
  };
}

/** A name becomes part of paths, so whatever a process claims to be called is looked at first. */
export function isAgentName(name: string): boolean {
  return /^[a-z][a-z0-9-]*$/.test(name);
}

/** As above, or `ROUTINE@RUN`: a run of a routine, by the name that its unit has on a host. */
export function isUnitName(name: string): boolean {
  return /^[a-z][a-z0-9-]*(?:@run-[a-z0-9-]+)?$/.test(name);
}

/** The two parts of `ROUTINE@RUN`; null for the name of an agent. */
export function routineRunOf(name: string): { readonly routine: string; readonly run: string } | null {
  const [routine = "", run] = name.split("@");
  return run === undefined ? null : { routine, run };
}

/**
 * `stateDir` must be a real path, so that every way to name the directory gives the same owner. What runs routines there is
 * another owner than what runs agents: neither takes the other's processes for its own.
 */
export function ownerOf(stateDir: string, kind: RunKind = "agents"): string {
  const hash = createHash("sha256").update(stateDir);
  return (kind === "agents" ? hash : hash.update(`\0${kind}`)).digest("hex").slice(0, 32);
}

/** `null` for a process without (all of) them. */
export function readMarkers(pid: number): Markers | null {
  return parseMarkers(readEnvironment(pid) ?? "");
}

/** From an environment block: `NAME=value` strings, each ended by a NUL. */
export function parseMarkers(environment: string): Markers | null {
  if (!environment.includes(`${variables.owner}=`)) return null;
  const values = new Map<string, string>();
  for (const entry of environment.split("\0")) {
    const at = entry.indexOf("=");
    if (at > 0) values.set(entry.slice(0, at), entry.slice(at + 1));
  }
  const owner = values.get(variables.owner);
  const agent = values.get(variables.agent);
  const runId = values.get(variables.runId);
  const digest = values.get(variables.digest);
  if (!owner || !agent || !runId || digest === undefined || !isUnitName(agent)) return null;
  return { owner, agent, runId, digest };
}
