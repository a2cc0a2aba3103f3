import type { BackoffPolicy } from "@daruma/config";

/** The delay that a policy has for the `nth` failure in its window, before it is spread: the simulation's own idea of it. */
export function plainDelay(
  { kind = "exponential", initialMs, factor, maxMs }: BackoffPolicy,
  nth: number,
): number {
  const factors = { immediate: 0, fixed: 1, linear: nth, exponential: factor ** (nth - 1) };
  return Math.min(initialMs * factors[kind], maxMs);
}
