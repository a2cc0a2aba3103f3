import type { RoutineEvents, RoutineManifest } from "@daruma/config";
import { expressionsOf, parseSchedule } from "@daruma/schedule";
import {
  entryEvent,
  eventOf,
  fileEvent,
  type OverlapPolicy,
  type RoutinePolicy,
  type ScheduleText,
} from "./policy.ts";

/**
 * What of a routine's manifest the core needs. A schedule that cannot be read is never due: whatever has built the generation
 * has refused it, but a scheduler must not end over one routine.
 *
 * @param problem of the schedule: see `scheduleProblem`
 */
export function policyOf(manifest: RoutineManifest, problem: string | null): RoutinePolicy {
  const { schedule, after, digest, atBoot, missed, jitterMs, deadlineMs, group, retries } = manifest;
  const { backoff, timeoutMs, expect, stop, on } = manifest;
  return {
    digest,
    schedules: schedule === null || problem !== null ? [] : schedulesOf(schedule),
    atBoot,
    events: [
      ...after.map((routine) => eventOf(routine, "succeeded")),
      ...on.failed.map((routine) => eventOf(routine, "failed")),
      ...entriesOf(on).map(({ action, subject }) => entryEvent(action, subject)),
      ...on.files.map(fileEvent),
    ],
    missed,
    overlap: overlapOf(manifest.overlap),
    ...{ jitterMs, deadlineMs, group, retries, backoff, timeoutMs, expect, stop },
  };
}

/**
 * A journal is written so that the release before reads it, and that one knows no schedule with lines: to it, as to the core, they are
 * several. Whoever asks when a routine is due next from its text alone leaves them to `parseSchedule`.
 */
function schedulesOf({ expression, timezone }: ScheduleText): readonly ScheduleText[] {
  return expressionsOf(expression).map((each) => ({ expression: each, timezone }));
}

/** Why a schedule cannot be read; null if it can, or there is none. */
export function scheduleProblem(name: string, { schedule }: RoutineManifest): string | null {
  if (schedule === null) return null;
  const { expression, timezone } = schedule;
  const parsed = parseSchedule(expression, { timezone, name });
  return parsed.ok ? null : (parsed.problems[0]?.message ?? "it is no schedule");
}

/** The entries of the ledger that a routine waits for: the recovery of an agent is one. */
export function entriesOf({ ledger, recovered }: RoutineEvents): RoutineEvents["ledger"] {
  return [...ledger, ...recovered.map((agent) => ({ action: "recovery.verified", subject: agent }))];
}

function overlapOf({ kind, limit }: RoutineManifest["overlap"]): OverlapPolicy {
  return kind === "queue" || kind === "parallel" ? { kind, limit } : { kind };
}
