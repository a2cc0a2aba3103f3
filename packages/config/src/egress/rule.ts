/*
 * Egress rules as everything after the fleet file has them: normalised, with every default filled in, plain JSON.
 */

export const egressModes = ["enforce", "observe"] as const;
/** `observe`: what the rules refuse is let through and recorded. */
export type EgressMode = (typeof egressModes)[number];

export const egressProtocols = ["tls", "tcp", "postgres"] as const;
/** What the first bytes of a connection have to be. `tls`: a ClientHello that names the host; `tcp`: anything. */
export type EgressProtocol = (typeof egressProtocols)[number];

/** A host by its name. */
export interface HostRule {
  /** A normalised name, or `*.` and a normalised name: every name below it, but not it itself. */
  readonly host: string;
  /** `null` for every port, which only a denial can say. */
  readonly port: number | null;
  readonly protocol: EgressProtocol;
  /** Whether the name may lead to an address that is not public. */
  readonly private: boolean;
  /** A port of the loopback address that leads there without any proxy protocol. */
  readonly forward: number | null;
}

/** Addresses, for clients that name an address, and for names that lead there. */
export interface NetworkRule {
  /** Normalised: `10.0.0.0/8`, `fd00::/8`. */
  readonly cidr: string;
  /** `null` for every port, which only a denial can say. */
  readonly port: number | null;
}

export type EgressRule = HostRule | NetworkRule;

/** Where a rule was written. */
export type RuleScope = "agent" | "host" | "fleet";
export type ScopedRule = EgressRule & { readonly scope: RuleScope };

/** What a host says about every agent on it; the fleet's rules are in it. */
export interface HostEgress {
  readonly mode: EgressMode;
  readonly allow: readonly ScopedRule[];
  readonly deny: readonly ScopedRule[];
  readonly limits: EgressLimits;
}

/** A host that says nothing about what its agents may reach. */
export const unrestricted: HostEgress = {
  mode: "enforce",
  allow: [],
  deny: [],
  limits: { connections: 512, idleMs: 600_000, bytes: null },
};

/** For each agent by itself. */
export interface EgressLimits {
  /** Connections at the same time. */
  readonly connections: number;
  /** How long a connection may carry nothing. */
  readonly idleMs: number;
  /** What one connection may carry, both ways together; `null` for any amount. */
  readonly bytes: number | null;
}

/** Everything by which one agent's connections are judged. */
export interface AgentEgress {
  readonly mode: EgressMode;
  readonly allow: readonly ScopedRule[];
  /** They win over `allow`. */
  readonly deny: readonly ScopedRule[];
  readonly limits: EgressLimits;
}

/** What rules, proofs and entries about egress call a routine: an agent may have the same name. */
export function routineSubject(routine: string): string {
  return `routine:${routine}`;
}

/** Of agents by their names, and of routines as `routineSubject` has them: whatever a host or a manifest has of them. */
export function egressSubjects<T, U>({
  agents,
  routines,
}: {
  readonly agents: Readonly<Record<string, T>>;
  readonly routines: Readonly<Record<string, U>>;
}): readonly (readonly [subject: string, each: T | U])[] {
  return [
    ...Object.entries(agents),
    ...Object.entries(routines).map(([name, each]) => [routineSubject(name), each] as const),
  ];
}

/** What a manifest says of one agent, or of one routine. */
export interface EgressManifest extends AgentEgress {
  /** The port of 127.0.0.1 on which the agent, and nobody else, finds its proxy. */
  readonly port: number;
}

/**
 * The rules of one agent, the most particular first, or null for an agent that may reach everything: nobody has said
 * anything about it. A list for all agents of the host confines also those that have none of their own.
 */
export function agentEgress(host: HostEgress, own: readonly EgressRule[] | null): AgentEgress | null {
  if (own === null && host.allow.length === 0 && host.deny.length === 0) return null;
  const mine = (own ?? []).map((rule): ScopedRule => ({ ...rule, scope: "agent" }));
  return { mode: host.mode, allow: [...mine, ...host.allow], deny: host.deny, limits: host.limits };
}

export function isNetwork<T extends EgressRule>(rule: T): rule is T & NetworkRule {
  return "cidr" in rule;
}

/** A rule as a person would write it: `*.s3.amazonaws.com:443`. */
export function formatRule(rule: EgressRule): string {
  const subject = isNetwork(rule) ? rule.cidr : rule.host;
  return rule.port === null ? subject : `${subject}:${rule.port}`;
}
