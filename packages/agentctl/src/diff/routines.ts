import { isDeepStrictEqual } from "node:util";
import {
  agentEgress,
  countNames,
  formatDuration,
  formatSize,
  type Host,
  type RoutineSpec,
  routineSubject,
} from "@daruma/config";
import { expressionsOf } from "@daruma/schedule";
import type { EgressChange, PolicyChange, UnitChange } from "./document.ts";
import { diffEgress, egressUnits } from "./egress.ts";
import { changedKeys, diffPolicies, prefixed } from "./options.ts";
import { changedSources, type SourceState } from "./sources.ts";

export interface RoutineChanges {
  readonly units: readonly UnitChange[];
  readonly egress: readonly EgressChange[];
  readonly policies: readonly PolicyChange[];
}

/** What a deploy changes about routines. It neither starts nor stops a run: what changes does so for those that begin after it. */
export function diffRoutines(
  before: Host | undefined,
  after: Host,
  sourceState: (before: string, after: string) => SourceState,
): RoutineChanges {
  const [old, now] = [before?.routines ?? {}, after.routines];
  const names = [...new Set([...Object.keys(old), ...Object.keys(now)])].sort();
  const ports = [before && egressUnits(before).ports, egressUnits(after).ports] as const;
  const units = names.map((name): UnitChange => {
    const unit = `daruma-routine-${name}@.service`;
    const [was, is] = [old[name], now[name]];
    if (was === undefined) return { unit, action: "add", reasons: ["it is new"] };
    if (is === undefined) return { unit, action: "remove", reasons: ["it is removed"] };
    const rules = !isDeepStrictEqual(reach(before, was), reach(after, is));
    const moved = ports[0]?.get(routineSubject(name)) !== ports[1].get(routineSubject(name));
    const reasons = [
      ...changedKeys(runOptions(was), runOptions(is)),
      ...(rules ? ["egress"] : moved ? ["the proxy's port"] : []),
      ...changedSources(was, is, sourceState),
    ];
    return { unit, action: reasons.length === 0 ? "none" : "next", reasons };
  });
  const egress = names.flatMap((name) =>
    diffEgress(routineSubject(name), reach(before, old[name]), reach(after, now[name])),
  );
  const policies = names.flatMap((name) => {
    const [was, is] = [old[name], now[name]];
    if (was === undefined || is === undefined) return [];
    return diffPolicies(routineSubject(name), policyOptions(was), policyOptions(is));
  });
  return { units, egress, policies };
}

function reach(host: Host | undefined, routine: RoutineSpec | undefined) {
  return host === undefined || routine === undefined ? undefined : agentEgress(host.egress, routine.egress);
}

/** Options by which its runs run, with what is compared. */
function runOptions({ command, workingDirectory, environment, credentials, limits, stop }: RoutineSpec) {
  return new Map<string, unknown>([
    ["command", command],
    ["workingDirectory", workingDirectory],
    ...prefixed("environment", environment),
    ...prefixed("credentials", credentials),
    ["limits.memory", limits.memoryBytes],
    ...prefixed("stop", { ...stop }),
  ]);
}

/** When it runs and what becomes of its runs, as its fleet file says it. */
function policyOptions(routine: RoutineSpec): ReadonlyMap<string, string> {
  const { command, workingDirectory, environment, credentials, egress, ...rest } = routine;
  const { schedule, atBoot, after, on, webhook, overlap, missed, jitterMs, deadlineMs, ...others } = rest;
  const { group, retries, backoff, timeoutMs, expect, limits, stop, ...untold } = others;
  // A part of the policy that is not told here would be a change that nobody approved.
  untold satisfies Record<string, never>;
  const given = (name: string, value: string | null): [string, string][] =>
    value === null ? [] : [[name, value]];
  const list = (name: string, values: readonly string[]) => given(name, values.join(", ") || null);
  const span = (name: string, ms: number | null) => given(name, ms === null ? null : formatDuration(ms));
  return new Map([
    ...given("schedule", schedule === null ? null : expressionsOf(schedule.expression).join("; ")),
    ...given("timezone", schedule?.timezone ?? null),
    ["atBoot", String(atBoot)],
    ...list("after", after),
    ...list("on.failed", on.failed),
    ...list("on.recovered", on.recovered),
    ...list(
      "on.ledger",
      on.ledger.map(({ action, subject }) => (subject === null ? action : `${action} ${subject}`)),
    ),
    ...list("on.files", on.files),
    ...(webhook === null
      ? []
      : [
          ...given("webhook.path", webhook.path),
          ...given("webhook.scheme", webhook.scheme),
          ...list("webhook.secrets", webhook.secrets),
          ...given("webhook.listen", webhook.listen),
          ...given("webhook.body", formatSize(webhook.bodyBytes)),
        ]),
    ["overlap", overlap.kind],
    ["limit", String(overlap.limit)],
    ["missed", missed.run],
    ...span("catchUp", missed.withinMs),
    ...span("jitter", jitterMs),
    ...span("deadline", deadlineMs),
    ...given("group", group),
    ["retries", String(retries)],
    ["backoff.kind", backoff.kind ?? "exponential"],
    ...span("backoff.initial", backoff.initialMs),
    ["backoff.factor", String(backoff.factor)],
    ...span("backoff.max", backoff.maxMs),
    ["backoff.jitter", String(backoff.jitter)],
    ...span("timeout", timeoutMs),
    ...countNames.flatMap((count) =>
      given(`expect.${count}`, expect[count] && JSON.stringify(expect[count])),
    ),
    ...given("limits.memory", limits.memoryBytes === null ? null : formatSize(limits.memoryBytes)),
    ["stop.signal", stop.signal],
    ...span("stop.grace", stop.graceMs),
  ]);
}
