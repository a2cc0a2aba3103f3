import { isDeepStrictEqual } from "node:util";
import { type AgentSpec, formatDuration, formatSize, type Host, type ResourcePolicy } from "@daruma/config";
import { alertPolicies } from "./alerts.ts";
import type { PolicyChange } from "./document.ts";

/** Options of an agent by which it runs, with what is compared. A change restarts its unit. */
export function unitOptions(agent: AgentSpec): ReadonlyMap<string, unknown> {
  const { command, workingDirectory, environment, credentials, fallback } = agent;
  return new Map<string, unknown>([
    ["command", command],
    ["workingDirectory", workingDirectory],
    ...prefixed("environment", environment),
    ...prefixed("credentials", credentials),
    ...(fallback === undefined
      ? []
      : [
          ["fallback.command", fallback.command] as const,
          ...prefixed("fallback.environment", fallback.environment),
        ]),
    ...[...policyOptions(agent)].filter(([option]) => !watchdAlone.has(option)),
  ]);
}

/** Only watchd looks at them, in host.json: to change them leaves the agent's unit as it is. */
const watchdAlone: ReadonlySet<string> = new Set([
  "restart.backoff.kind",
  "restart.backoff.initial",
  "restart.backoff.factor",
  "restart.backoff.max",
  "restart.backoff.jitter",
  "restart.attempts",
  "restart.within",
  "escalate",
  "required",
]);

/** How an agent is judged and handled, as its fleet file says it. */
export function policyOptions(agent: AgentSpec): ReadonlyMap<string, string> {
  const { health, heartbeat, restart, limits, stop } = agent;
  const { when, attempts, withinMs, exits, backoff, ...untold } = restart;
  // A part of the policy that is not told here would be a change that nobody approved.
  untold satisfies Record<string, never>;
  const probes: readonly (readonly [string, string])[] =
    health === null
      ? []
      : [
          ["health.http", health.url],
          ["health.every", formatDuration(health.everyMs)],
          ["health.failures", String(health.failures)],
          ["health.expect.status", String(health.status)],
          ["health.expect.within", formatDuration(health.withinMs)],
          ...(health.body === null ? [] : ([["health.expect", JSON.stringify(health.body)]] as const)),
        ];
  const beats: readonly (readonly [string, string])[] =
    heartbeat === null
      ? []
      : [
          ["heartbeat.through", heartbeat.through],
          ["heartbeat.every", formatDuration(heartbeat.everyMs)],
          ["heartbeat.silence", formatDuration(heartbeat.silenceMs)],
        ];
  return new Map([
    ["startup", formatDuration(agent.startupMs)],
    ...probes,
    ...beats,
    ...detectorOptions(agent),
    ["restart.when", when],
    ...Object.entries(exits ?? {}).map(([end, meaning]) => [`restart.exits.${end}`, meaning] as const),
    ["restart.backoff.kind", backoff.kind ?? "exponential"],
    ["restart.backoff.initial", formatDuration(backoff.initialMs)],
    ["restart.backoff.factor", String(backoff.factor)],
    ["restart.backoff.max", formatDuration(backoff.maxMs)],
    ["restart.backoff.jitter", String(backoff.jitter)],
    ["restart.attempts", String(attempts)],
    ["restart.within", formatDuration(withinMs)],
    ...(limits.memoryBytes === null ? [] : [["limits.memory", formatSize(limits.memoryBytes)] as const]),
    ["stop.signal", stop.signal],
    ["stop.grace", formatDuration(stop.graceMs)],
    ["escalate", agent.escalate.join(", ")],
    ["required", String(agent.required)],
  ]);
}

function detectorOptions({ progress, resources, dependencies = {} }: AgentSpec): [string, string][] {
  const { leak, ...plain } = resources ?? { leak: null };
  const { memoryBytes, cpu, openFiles, tasks, ioBytesPerSecond, latencyMs, ...rest } = plain as Partial<
    Omit<ResourcePolicy, "leak">
  >;
  const { sustainedMs, restartWithinMs, ...untold } = rest;
  untold satisfies Record<string, never>;
  const told = <T>(option: string, value: T | null | undefined, format: (value: T) => string = String) =>
    value == null ? [] : [[option, format(value)] as [string, string]];
  return [
    ...told("progress.within", progress?.withinMs, formatDuration),
    ...told("resources.memory", memoryBytes, formatSize),
    ...told("resources.leak.growth", leak?.growthBytes, formatSize),
    ...told("resources.leak.within", leak?.withinMs, formatDuration),
    ...told("resources.cpu", cpu),
    ...told("resources.openFiles", openFiles),
    ...told("resources.tasks", tasks),
    ...told("resources.io", ioBytesPerSecond, formatSize),
    ...told("resources.latency", latencyMs, formatDuration),
    ...told("resources.sustained", sustainedMs, formatDuration),
    ...told("resources.restartWithin", restartWithinMs, formatDuration),
    ...Object.entries(dependencies).flatMap(([name, url]) => told(`dependencies.${name}`, url)),
  ];
}

export function hostPolicies({
  watchdog,
  drift,
  egress,
  alerts,
  metrics,
  system,
}: Host): ReadonlyMap<string, string> {
  const { probationMs, rollbackBudget, restartsAtOnce, ...untold } = watchdog;
  untold satisfies Record<string, never>;
  return new Map([
    ["system", system],
    ["watchdog.probation", formatDuration(probationMs)],
    ["watchdog.rollbackBudget", String(rollbackBudget)],
    ...(restartsAtOnce === undefined ? [] : [["watchdog.restartsAtOnce", String(restartsAtOnce)] as const]),
    ...driftPolicies(drift),
    ["egress.mode", egress.mode],
    ["egress.limits.connections", String(egress.limits.connections)],
    ["egress.limits.idle", formatDuration(egress.limits.idleMs)],
    ...(egress.limits.bytes === null
      ? []
      : [["egress.limits.bytes", formatSize(egress.limits.bytes)] as const]),
    ...alertPolicies(alerts),
    ...(metrics === null
      ? []
      : [
          [
            "metrics",
            metrics.port === null ? "a socket" : `${metrics.address}, port ${metrics.port}`,
          ] as const,
        ]),
  ]);
}

function driftPolicies(drift: Host["drift"]): [string, string][] {
  const { policy, everyMs, storeEveryMs, attempts, withinMs, ignore, ...untold } = drift;
  untold satisfies Record<string, never>;
  return [
    ["drift.policy", policy],
    ["drift.every", formatDuration(everyMs)],
    ["drift.storeEvery", formatDuration(storeEveryMs)],
    ["drift.attempts", String(attempts)],
    ["drift.within", formatDuration(withinMs)],
    ["drift.ignore", ignore.join(", ")],
  ];
}

export function diffPolicies(
  agent: string | null,
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): PolicyChange[] {
  return changedKeys(before, after).map((option) => ({
    agent,
    option,
    from: before.get(option) ?? null,
    to: after.get(option) ?? null,
  }));
}

/** Keys whose values differ, or that only one has, in the order of the first and then of the second. */
export function changedKeys(
  before: ReadonlyMap<string, unknown>,
  after: ReadonlyMap<string, unknown>,
): string[] {
  return [...new Set([...before.keys(), ...after.keys()])].filter(
    (key) => before.has(key) !== after.has(key) || !isDeepStrictEqual(before.get(key), after.get(key)),
  );
}

export function prefixed(name: string, values: Readonly<Record<string, unknown>>): [string, unknown][] {
  return Object.entries(values).map(([key, value]) => [`${name}.${key}`, value]);
}
