import { type CountBounds, formatDuration, formatSize, type RoutineSpec } from "@daruma/config";
import {
  type NixExpression,
  nixBoolean,
  nixList,
  nixNull,
  nixNumber,
  nixSet,
  nixString,
} from "./nix-expression.ts";
import {
  backoffExpression,
  mapSorted,
  type Places,
  processSettings,
  programSettings,
} from "./program-expression.ts";

/** A routine but for its `egress`. */
export function routineSettings(routine: RoutineSpec, places: Places): Record<string, NixExpression> {
  const { schedule, on, overlap, missed, group } = routine;
  return {
    ...programSettings(routine, places),
    schedule: schedule === null ? nixNull : nixString(schedule.expression),
    ...(schedule === null ? {} : { timezone: nixString(schedule.timezone) }),
    atBoot: nixBoolean(routine.atBoot),
    after: nixList(routine.after.map(nixString)),
    on: nixSet({
      failed: nixList(on.failed.map(nixString)),
      recovered: nixList(on.recovered.map(nixString)),
      ledger: nixList(on.ledger.map(entryExpression)),
      files: nixList(on.files.map(nixString)),
    }),
    webhook: webhookExpression(routine.webhook),
    overlap: nixString(overlap.kind),
    limit: nixNumber(overlap.limit),
    missed: nixString(missed.run),
    catchUp: nixString(formatDuration(missed.withinMs)),
    jitter: nixString(formatDuration(routine.jitterMs)),
    deadline: durationOrNull(routine.deadlineMs),
    group: group === null ? nixNull : nixString(group),
    retries: nixNumber(routine.retries),
    backoff: backoffExpression(routine.backoff),
    timeout: durationOrNull(routine.timeoutMs),
    expect: nixSet(mapSorted(routine.expect, boundsExpression)),
    ...processSettings(routine),
  };
}

function entryExpression({ action, subject }: RoutineSpec["on"]["ledger"][number]): NixExpression {
  return nixSet({ action: nixString(action), ...(subject === null ? {} : { subject: nixString(subject) }) });
}

function webhookExpression(webhook: RoutineSpec["webhook"]): NixExpression {
  if (webhook === null) return nixNull;
  return nixSet({
    path: nixString(webhook.path),
    scheme: nixString(webhook.scheme),
    secrets: nixList(webhook.secrets.map(nixString)),
    listen: nixString(webhook.listen),
    body: nixString(formatSize(webhook.bodyBytes)),
  });
}

function boundsExpression(bounds: CountBounds | null): NixExpression {
  if (bounds === null) return nixNull;
  return nixSet(mapSorted({ ...bounds }, (bound) => (bound === null ? nixNull : nixNumber(bound))));
}

function durationOrNull(milliseconds: number | null): NixExpression {
  return milliseconds === null ? nixNull : nixString(formatDuration(milliseconds));
}
