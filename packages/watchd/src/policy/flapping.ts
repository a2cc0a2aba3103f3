import type { AgentState } from "./state.ts";

/*
 * A health check that fails now and then. Misses in a row are not all that counts: an agent that passes every third check works
 * for nobody, and each pass begins that count anew.
 */

/** Checks over which misses are counted at least: over fewer, two in a short time would be many. */
const leastChecks = 20;

/** Over how many of the newest checks misses are counted. */
export function flappingChecks(failures: number): number {
  return Math.max(leastChecks, 2 * failures);
}

/** Those of the newest checks that were missed; `sent` is the number of the last one that went out. */
export function missesOf({ probe, policy }: AgentState): readonly number[] {
  const oldest = probe.sent - flappingChecks(policy.health?.failures ?? 0);
  // Where none was missed nothing is made anew: this comes with every check.
  return probe.misses.length === 0 ? probe.misses : probe.misses.filter((sent) => sent > oldest);
}

/** Whether half of the checks were missed. */
export function flaps(misses: readonly number[], failures: number): boolean {
  return 2 * misses.length >= flappingChecks(failures);
}

/** Whether as many checks were missed, though not in a row, as would make it unhealthy: it is not proven so. */
export function isUnsteady({ probe, policy }: AgentState): boolean {
  return policy.health !== null && probe.misses.length >= policy.health.failures;
}
