import { resolveAlerts } from "./alerts/resolve.ts";
import { type EgressEntry, ruleOf } from "./egress/entry.ts";
import type { HostEgress, RuleScope, ScopedRule } from "./egress/rule.ts";
import type { AgentSpec, Fleet, Host, RoutineSpec } from "./fleet.ts";
import type {
  BackoffPolicy,
  BodyPolicy,
  CountBounds,
  CountName,
  DriftPolicy,
  Escalation,
  Expectations,
  HealthPolicy,
  HeartbeatPolicy,
  ResourcePolicy,
  RestartPolicy,
  WebhookTrigger,
} from "./manifest.ts";
import type { FleetSchema } from "./schema.ts";
import { remembered } from "./shared-agents.ts";

/* From what the schema decodes to what the rest of Daruma reads: names with their units, nothing left out, rules as rules. */

type DecodedFleet = (typeof FleetSchema)["Type"];
type DecodedHost = DecodedFleet["hosts"][string];
type DecodedRoutine = DecodedHost["routines"][string];
export type DecodedAgent = DecodedHost["agents"][string];

/** A valid fleet; agents that are one object stay one. */
export function resolveFleet(fleet: DecodedFleet): Fleet {
  const agentOf = remembered(resolveAgent);
  return { hosts: mapValues(fleet.hosts, (host) => resolveHost(host, fleet.egress, agentOf)) };
}

function resolveHost(
  host: DecodedHost,
  fleetEgress: DecodedFleet["egress"],
  agentOf: typeof resolveAgent,
): Host {
  return {
    system: host.system,
    watchdog: {
      probationMs: host.watchdog.probation,
      rollbackBudget: host.watchdog.rollbackBudget,
      restartsAtOnce: host.watchdog.restartsAtOnce,
    },
    drift: resolveDrift(host.drift),
    egress: resolveEgress(host.egress, fleetEgress),
    alerts: resolveAlerts(host),
    metrics:
      host.metrics === undefined ? null : { port: host.metrics.port ?? null, address: host.metrics.address },
    agents: mapValues(host.agents, agentOf),
    routines: mapValues(host.routines, resolveRoutine),
  };
}

function resolveDrift({ every, storeEvery, within, ...rest }: DecodedHost["drift"]): DriftPolicy {
  return { ...rest, everyMs: every, storeEveryMs: storeEvery, withinMs: within };
}

function resolveRoutine(routine: DecodedRoutine): RoutineSpec {
  const { backoff, schedule, timezone } = routine;
  return {
    command: routine.command,
    environment: routine.environment,
    workingDirectory: routine.workingDirectory ?? null,
    credentials: routine.credentials,
    schedule: schedule === undefined ? null : { expression: schedule, timezone },
    atBoot: routine.atBoot,
    after: routine.after,
    on: {
      ...routine.on,
      ledger: routine.on.ledger.map(({ action, subject }) => ({ action, subject: subject ?? null })),
    },
    webhook: resolveWebhook(routine.webhook),
    overlap: { kind: routine.overlap, limit: routine.limit },
    missed: { run: routine.missed, withinMs: routine.catchUp },
    jitterMs: routine.jitter,
    deadlineMs: routine.deadline ?? null,
    group: routine.group ?? null,
    retries: routine.retries,
    backoff: resolveBackoff(backoff),
    timeoutMs: routine.timeout ?? null,
    expect: resolveExpect(routine.expect),
    limits: { memoryBytes: routine.limits.memory ?? null },
    stop: { signal: routine.stop.signal, graceMs: routine.stop.grace },
    egress: routine.egress?.map(ruleOf) ?? null,
  };
}

function resolveExpect(expect: DecodedRoutine["expect"]): Expectations {
  const bounds = (name: CountName): CountBounds | null => {
    const given = expect[name];
    if (given === undefined) return null;
    return { min: given.min ?? null, max: given.max ?? null, deviation: given.deviation ?? null };
  };
  return {
    extracted: bounds("extracted"),
    transformed: bounds("transformed"),
    loaded: bounds("loaded"),
    errors: bounds("errors"),
  };
}

function resolveWebhook(webhook: DecodedRoutine["webhook"]): WebhookTrigger | null {
  if (webhook === undefined) return null;
  const { body, ...rest } = webhook;
  return { ...rest, bodyBytes: body };
}

function resolveBackoff({ kind, initial, factor, max, jitter }: DecodedRoutine["backoff"]): BackoffPolicy {
  return { ...(kind === "exponential" ? {} : { kind }), initialMs: initial, factor, maxMs: max, jitter };
}

function resolveEgress(host: DecodedHost["egress"], fleet: DecodedFleet["egress"]): HostEgress {
  const { connections, idle, bytes } = host.limits;
  return {
    mode: host.mode,
    allow: [...scoped(host.allow, "host"), ...scoped(fleet.allow, "fleet")],
    deny: [...scoped(host.deny, "host"), ...scoped(fleet.deny, "fleet")],
    limits: { connections, idleMs: idle, bytes: bytes ?? null },
  };
}

function scoped(entries: readonly EgressEntry[], scope: RuleScope): ScopedRule[] {
  return entries.map((entry) => ({ ...ruleOf(entry), scope }));
}

function resolveAgent(agent: DecodedAgent): AgentSpec {
  return {
    command: agent.command,
    environment: agent.environment,
    workingDirectory: agent.workingDirectory ?? null,
    credentials: agent.credentials,
    startupMs: agent.startup,
    health: resolveHealth(agent.health),
    heartbeat: resolveHeartbeat(agent.heartbeat),
    ...(agent.progress === undefined ? {} : { progress: { withinMs: agent.progress.within } }),
    ...(agent.resources === undefined ? {} : { resources: resolveResources(agent.resources) }),
    ...(Object.keys(agent.dependencies).length === 0 ? {} : { dependencies: agent.dependencies }),
    restart: resolveRestart(agent.restart),
    limits: { memoryBytes: agent.limits.memory ?? null },
    stop: { signal: agent.stop.signal, graceMs: agent.stop.grace },
    escalate: escalationOf(agent),
    ...(agent.fallback === undefined
      ? {}
      : {
          fallback: {
            command: agent.fallback.command ?? agent.command,
            environment: agent.fallback.environment,
          },
        }),
    egress: agent.egress?.map(ruleOf) ?? null,
    required: agent.required,
  };
}

/** A fallback is there to be used: first, where nothing else is said. */
function escalationOf({ escalate, fallback }: DecodedAgent): readonly Escalation[] {
  return fallback === undefined || escalate.includes("fallback") ? escalate : ["fallback", ...escalate];
}

function resolveRestart({ when, exits, backoff, attempts, within }: DecodedAgent["restart"]): RestartPolicy {
  return {
    when,
    ...(Object.keys(exits).length === 0 ? {} : { exits }),
    backoff: resolveBackoff(backoff),
    attempts,
    withinMs: within,
  };
}

function resolveHealth(health: DecodedAgent["health"]): HealthPolicy | null {
  if (health === undefined) return null;
  return {
    url: health.http,
    everyMs: health.every,
    withinMs: health.expect.within,
    status: health.expect.status,
    body: resolveBody(health.expect),
    failures: health.failures,
  };
}

function resolveBody({ contains, json }: NonNullable<DecodedAgent["health"]>["expect"]): BodyPolicy | null {
  if (contains === undefined && Object.keys(json).length === 0) return null;
  return { contains: contains ?? null, json };
}

function resolveHeartbeat(heartbeat: DecodedAgent["heartbeat"]): HeartbeatPolicy | null {
  if (heartbeat === undefined) return null;
  return { through: heartbeat.through, everyMs: heartbeat.every, silenceMs: heartbeat.silence };
}

function resolveResources(resources: NonNullable<DecodedAgent["resources"]>): ResourcePolicy {
  const { leak } = resources;
  return {
    memoryBytes: resources.memory ?? null,
    leak: leak === undefined ? null : { growthBytes: leak.growth, withinMs: leak.within },
    cpu: resources.cpu ?? null,
    openFiles: resources.openFiles ?? null,
    tasks: resources.tasks ?? null,
    ioBytesPerSecond: resources.io ?? null,
    latencyMs: resources.latency ?? null,
    sustainedMs: resources.sustained,
    restartWithinMs: resources.restartWithin,
  };
}

function mapValues<T, U>(record: Readonly<Record<string, T>>, map: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}
