import type { RoutineManifest } from "@daruma/config";
import { eventOf, type OverlapPolicy, type RoutinePolicy } from "./policy.ts";

/** What of a routine's manifest the core needs. */
export function policyOf(manifest: RoutineManifest): RoutinePolicy {
  const { schedule, after, digest, atBoot, missed, jitterMs, deadlineMs, group, retries } = manifest;
  const { backoff, timeoutMs, stop } = manifest;
  return {
    digest,
    schedules: schedule === null ? [] : [schedule],
    atBoot,
    events: after.map((routine) => eventOf(routine, "succeeded")),
    missed,
    overlap: overlapOf(manifest.overlap),
    ...{ jitterMs, deadlineMs, group, retries, backoff, timeoutMs, stop },
  };
}

function overlapOf({ kind, limit }: RoutineManifest["overlap"]): OverlapPolicy {
  return kind === "queue" || kind === "parallel" ? { kind, limit } : { kind };
}
