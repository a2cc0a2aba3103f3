import type { AlertsManifest } from "./alerts/manifest.ts";
import type { EgressRule, HostEgress } from "./egress/rule.ts";
import type { AgentManifest, DriftPolicy, RoutineManifest, WatchdogPolicy } from "./manifest.ts";
import type { HostMetrics } from "./metrics-schema.ts";
import type { Word } from "./references.ts";
import type { RoutineSchema } from "./routine-schema.ts";
import type { AgentSchema, FleetSchema, HostSchema } from "./schema.ts";
import type { System } from "./words.ts";

/** What `defineFleet` takes: the fleet as the user writes it. */
export interface FleetInput extends EncodedFleet {}
type EncodedFleet = (typeof FleetSchema)["Encoded"];

/** One host as the user writes it. */
export interface HostInput extends EncodedHost {}
type EncodedHost = (typeof HostSchema)["Encoded"];

/** One agent as the user writes it. */
export interface AgentInput extends EncodedAgent {}
type EncodedAgent = (typeof AgentSchema)["Encoded"];

/** One routine as the user writes it. */
export interface RoutineInput extends EncodedRoutine {}
type EncodedRoutine = (typeof RoutineSchema)["Encoded"];

/** A decoded fleet: every default filled in, every measure a number with its unit in the name. */
export interface Fleet {
  readonly hosts: Readonly<Record<string, Host>>;
}

export interface Host {
  readonly system: System;
  readonly watchdog: WatchdogPolicy;
  readonly drift: DriftPolicy;
  /** The fleet's rules are in it. */
  readonly egress: HostEgress;
  /** What its agents and routines say is in it; null where nobody is told of anything. */
  readonly alerts: AlertsManifest | null;
  /** Null where nothing serves them. */
  readonly metrics: HostMetrics | null;
  readonly agents: Readonly<Record<string, AgentSpec>>;
  readonly routines: Readonly<Record<string, RoutineSpec>>;
}

/** An agent as its manifest will have it, but with symbolic references in place of real paths, and without digest. */
export interface AgentSpec
  extends Omit<AgentManifest, "digest" | "command" | "environment" | "egress" | "fallback"> {
  readonly command: readonly [program: Word, ...Word[]];
  readonly environment: Readonly<Record<string, Word>>;
  readonly fallback?: FallbackSpec;
  /** Its own list; `null` where it has none. `agentEgress` adds what its host says. */
  readonly egress: readonly EgressRule[] | null;
}

/** Other settings of an agent, with symbolic references in place of real paths. */
export interface FallbackSpec {
  readonly command: readonly [program: Word, ...Word[]];
  readonly environment: Readonly<Record<string, Word>>;
}

/** A routine as its manifest will have it, with symbolic references in place of real paths, and without digest. */
export interface RoutineSpec extends Omit<RoutineManifest, "digest" | "command" | "environment" | "egress"> {
  readonly command: readonly [program: Word, ...Word[]];
  readonly environment: Readonly<Record<string, Word>>;
  /** As of an agent. */
  readonly egress: readonly EgressRule[] | null;
}

/**
 * Gives a fleet file its types. It returns what it gets: everything is checked when the file is evaluated, so that all
 * problems are reported together.
 */
export function defineFleet(fleet: FleetInput): FleetInput {
  return fleet;
}
