import type { BackoffPolicy, RestartPolicy } from "@daruma/config";

/**
 * Delay in ms before the restart that follows the `failure`-th failure (from 1): grown as the policy says, capped, then spread by
 * jitter so that agents which fell together do not rise together.
 *
 * @param random uniform in [0, 1)
 */
export function backoffDelay(policy: BackoffPolicy, failure: number, random: number): number {
  return spread(Math.min(grown(policy, Math.max(failure, 1)), policy.maxMs), policy.jitter, random);
}

function grown({ kind = "exponential", initialMs, factor }: BackoffPolicy, failure: number): number {
  switch (kind) {
    case "immediate":
      return 0;
    case "fixed":
      return initialMs;
    case "linear":
      return initialMs * failure;
    case "exponential":
      // The exponent is bounded so that a long series cannot overflow to Infinity * 0 = NaN.
      return initialMs === 0 ? 0 : initialMs * factor ** Math.min(failure - 1, 1_000);
  }
}

/** Restarts that nothing ends become at least this slow, whatever the policy: they must not become a storm. */
export const leastHoldMs = 1_000;

const leastPatientMs = 100;
const leastPatientFactor = 2;

/**
 * Delay after the `fault`-th fault that lies outside. Nothing bounds how many there are, so the delay grows even where the
 * policy's does not.
 */
export function patientDelay(policy: BackoffPolicy, fault: number, random: number): number {
  const patient: BackoffPolicy = {
    ...policy,
    kind: "exponential",
    initialMs: Math.max(policy.initialMs, leastPatientMs),
    factor: Math.max(policy.factor, leastPatientFactor),
    maxMs: Math.max(policy.maxMs, leastHoldMs),
  };
  return backoffDelay(patient, fault, random);
}

/** The delay of an agent that is held: the longest there is, and at least `leastHoldMs`. */
export function longestDelay(policy: BackoffPolicy, random: number): number {
  return Math.max(leastHoldMs, spread(policy.maxMs, policy.jitter, random));
}

function spread(delay: number, jitter: number, random: number): number {
  return Math.round(delay * (1 + jitter * (2 * random - 1)));
}

/** The failures that still count at `now`, oldest first. */
export function withinWindow(
  failures: readonly number[],
  policy: RestartPolicy,
  now: number,
): readonly number[] {
  return failures.filter((failure) => now - failure < policy.withinMs);
}
