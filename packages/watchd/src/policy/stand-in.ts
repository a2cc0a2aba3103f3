import type { AgentManifest } from "@daruma/config";
import {
  type AgentPolicy,
  type AgentState,
  nothingLearned,
  type StandIn,
  type StandInKind,
  type State,
} from "./state.ts";
import { agentOf, patchAgent, record, type Turn } from "./turn.ts";

/*
 * Settings that an agent runs with in place of those that its generation declares: its fallback, or what a known-good
 * generation has of it. The rest of the core sees only what is in force.
 */

/** What the current generation declares of the agent, whatever is in force. */
export function declaredPolicy({ policy, standIn }: AgentState): AgentPolicy {
  return standIn?.declared ?? policy;
}

export function policyOf(manifest: AgentManifest): AgentPolicy {
  const { digest, startupMs, health, heartbeat, restart, limits, stop, escalate, required } = manifest;
  const { fallback, progress, resources, dependencies } = manifest;
  return {
    ...{ digest, startupMs, health, heartbeat, restart, limits, stop, escalate, required },
    ...(progress === undefined ? {} : { progress }),
    ...(resources === undefined ? {} : { resources }),
    ...(dependencies === undefined ? {} : { dependencies }),
    ...(fallback === undefined ? {} : { fallback: fallback.digest }),
  };
}

/** The declared agent with its fallback settings. */
export function fallbackPolicy(declared: AgentPolicy): AgentPolicy {
  if (declared.fallback === undefined) throw new Error("the agent has no fallback");
  return { ...declared, digest: declared.fallback };
}

/**
 * An earlier definition of the agent. What follows from its failures is for the current generation to say; what its ends mean
 * is for the code that ends.
 */
export function earlierPolicy(earlier: AgentPolicy, declared: AgentPolicy): AgentPolicy {
  const { exits: _, ...restart } = declared.restart;
  const { exits } = earlier.restart;
  return {
    ...earlier,
    restart: { ...restart, ...(exits === undefined ? {} : { exits }) },
    escalate: declared.escalate,
    required: declared.required,
  };
}

/** Puts other settings in force, with which the agent begins anew. The caller sees to its next start. */
export function putOn(
  turn: Turn,
  name: string,
  settings: Pick<StandIn, "kind" | "generation" | "number"> & { readonly policy: AgentPolicy },
): void {
  const agent = agentOf(turn, name);
  if (agent === undefined) return;
  const { kind, generation, number, policy } = settings;
  const declared = declaredPolicy(agent);
  const before = wornBefore(agent);
  patchAgent(turn, name, {
    policy,
    standIn: { kind, generation, number, declared, before },
    ...nothingLearned,
  });
  record(turn, {
    action: "agent.stand-in",
    subject: name,
    incident: agent.incident?.id,
    severity: "critical",
    details: { kind, generation, number, digest: policy.digest, declared: declared.digest },
  });
}

/** Agent -> the earlier generation whose settings it runs with, or is about to: its files have to stay. */
export function wornGenerations({ agents }: State): Readonly<Record<string, string>> {
  const worn: Record<string, string> = {};
  for (const [name, { standIn, goingBack }] of Object.entries(agents)) {
    if (standIn?.kind === "earlier") worn[name] = standIn.generation;
    else if (goingBack !== null) worn[name] = goingBack.generation;
  }
  return worn;
}

/** What has stood in since the declared settings were in force, what does now included. */
export function wornBefore({ standIn }: AgentState): readonly StandInKind[] {
  return standIn === null ? [] : [...standIn.before, standIn.kind];
}

/**
 * What is in force after a deploy that declares the same of the agent as before; null if its stand-in has to go: earlier
 * settings are those of another host where the host has changed.
 */
export function keptStandIn(
  { policy, standIn }: AgentState,
  declared: AgentPolicy,
  isSameHost: boolean,
): Pick<AgentState, "policy" | "standIn"> | null {
  if (standIn === null) return { policy: declared, standIn };
  const next = { ...standIn, declared };
  if (standIn.kind === "fallback") return { policy: fallbackPolicy(declared), standIn: next };
  return isSameHost ? { policy: earlierPolicy(policy, declared), standIn: next } : null;
}

/** The declared settings are in force again. */
export function noteTakenOff(turn: Turn, name: string, { kind }: StandIn, why: "deploy" | "allowed"): void {
  record(turn, { action: "agent.stand-in-over", subject: name, details: { kind, why } });
}
