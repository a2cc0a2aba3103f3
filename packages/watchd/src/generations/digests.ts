import { digestOf, type JsonValue } from "@daruma/base";
import type { AgentEgress, AgentSpec, HealthPolicy, HostSpec, RoutineSpec } from "@daruma/config";

/** A word of a command or a value of the environment: as it will stand in the manifest, and as what it is. */
export interface ResolvedWord {
  readonly text: string;
  /** The same wherever the directory of generations is: a file of a source by its name in the store. */
  readonly identity: JsonValue;
}

export interface ResolvedAgent extends Resolved {
  readonly spec: AgentSpec;
  readonly fallback: Pick<Resolved, "command" | "environment"> | null;
}

export interface ResolvedRoutine extends Resolved {
  readonly spec: RoutineSpec;
}

interface Resolved {
  /** Its own rules and those of its host and fleet. */
  readonly egress: AgentEgress | null;
  readonly command: readonly ResolvedWord[];
  readonly environment: Readonly<Record<string, ResolvedWord>>;
}

/**
 * Hash of all by which a deploy can change what an agent does or how that is judged. How often it is restarted, what
 * comes after that, and whether probation waits for it, are not in it: they cannot make an agent fail.
 */
export function agentDigest(agent: ResolvedAgent): string {
  return digestOf(judged(agent));
}

/** Hash of the same, once the agent runs with its fallback settings. */
export function fallbackDigest(agent: ResolvedAgent): string {
  return digestOf({ ...judged(agent), inForce: "fallback" });
}

function judged({ spec, egress, command, environment, fallback }: ResolvedAgent): Record<string, JsonValue> {
  return {
    ...identities({ command, environment }),
    workingDirectory: spec.workingDirectory,
    credentials: spec.credentials,
    limits: { ...spec.limits },
    health: spec.health === null ? null : healthOf(spec.health),
    startupMs: spec.startupMs,
    stop: { ...spec.stop },
    // Not where nothing is said about them: digests of an earlier release stay what they were.
    ...(spec.heartbeat === null ? {} : { heartbeat: { ...spec.heartbeat } }),
    ...(spec.progress === undefined ? {} : { progress: { ...spec.progress } }),
    ...(spec.resources === undefined ? {} : { resources: spec.resources as object as JsonValue }),
    ...(spec.dependencies === undefined ? {} : { dependencies: { ...spec.dependencies } }),
    ...(egress === null ? {} : { egress: egress as object as JsonValue }),
    ...(fallback === null ? {} : { fallback: identities(fallback) }),
  };
}

/** Hash of all by which a deploy can change what a run of a routine does. When it runs is not in it. */
export function routineDigest({ spec, egress, command, environment }: ResolvedRoutine): string {
  return digestOf({
    ...identities({ command, environment }),
    workingDirectory: spec.workingDirectory,
    credentials: spec.credentials,
    limits: { ...spec.limits },
    stop: { ...spec.stop },
    ...(egress === null ? {} : { egress: egress as object as JsonValue }),
  });
}

function identities({ command, environment }: Pick<Resolved, "command" | "environment">): {
  readonly command: JsonValue[];
  readonly environment: Record<string, JsonValue>;
} {
  return {
    command: command.map((word) => word.identity),
    environment: Object.fromEntries(Object.entries(environment).map(([name, word]) => [name, word.identity])),
  };
}

/** Where nothing is said about the body, digests of an earlier release stay what they were. */
function healthOf({ body, ...health }: HealthPolicy): JsonValue {
  return body === null ? health : { ...health, body: { ...body } };
}

/**
 * Hash of what else of a host can make an agent fail. Programs found on PATH are in the digests of the agents that use
 * them, so that adding one agent changes nothing for the others.
 */
export function hostDigest({ host, system }: HostSpec): string {
  return digestOf({ host, system });
}
