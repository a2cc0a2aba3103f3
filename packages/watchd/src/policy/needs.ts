import { own } from "@daruma/base";
import type { Instant } from "../ports.ts";
import type { AgentState, State } from "./state.ts";

/*
 * What an agent declares to need: which of it is known not to be reached, and until when all of it is known to have been. Pure questions;
 * dependencies.ts keeps the answers.
 */

/** The dependency to which a failure of the agent is put down now; null where there is none. */
export function downDependencyOf({ agents }: State, name: string, { mono }: Instant): string | null {
  const lacking = Object.hasOwn(agents, name) ? (agents[name]?.lacking ?? {}) : {};
  const found = Object.entries(lacking).find(([, { until }]) => until === null || until > mono);
  return found?.[0] ?? null;
}

/**
 * Monotonic instant until which all that the agent needs is known to have been there. What failed after it may have failed for want of
 * that: it counts once somebody has looked.
 */
export function reachedUntil({ policy, reached }: Pick<AgentState, "policy" | "reached">): number {
  let least = Number.POSITIVE_INFINITY;
  for (const name of Object.keys(policy.dependencies ?? {})) least = Math.min(least, own(reached, name) ?? 0);
  return least;
}

/** Whether the last failure of the agent may still turn out to be one of what it needs. */
export function awaitsWord(agent: AgentState): boolean {
  const last = agent.evidence.at(-1);
  return last !== undefined && last > reachedUntil(agent);
}
