import type { Problem } from "@daruma/base";
import { Result, Schema } from "effect";
import { resolveAlerts } from "./alerts/resolve.ts";
import { configErrors } from "./catalogue.ts";
import { type EgressEntry, ruleOf } from "./egress/entry.ts";
import type { HostEgress, RuleScope, ScopedRule } from "./egress/rule.ts";
import type { AgentSpec, Fleet, Host, RoutineSpec } from "./fleet.ts";
import { lintFleet } from "./lints.ts";
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
import { type PlainData, toPlain } from "./plain.ts";
import { problemsOf } from "./problems.ts";
import { AgentSchema, FleetSchema } from "./schema.ts";
import { agentSharing, remembered, shareAgents } from "./shared-agents.ts";

export type Decoded =
  | { readonly ok: true; readonly fleet: Fleet }
  | { readonly ok: false; readonly problems: readonly [Problem, ...Problem[]] };

const options = { errors: "all", onExcessProperty: "error", reportInput: true } as const;
const decodeUnknown = Schema.decodeUnknownResult(FleetSchema, options);
const decodeAgent = Schema.decodeUnknownResult(AgentSchema, options);

/**
 * Decodes what a fleet file exports: checks everything, fills in defaults, turns measures into numbers. Reports all
 * problems at once, in the order of their paths.
 */
export function decodeFleet(input: unknown): Decoded {
  const plain = toPlain(input, agentSharing);
  if (!plain.isJson) return decodePlain(plain, decodeUnknown(plain.value));
  shareAgents(plain.value);
  return decodePlain(plain, decodeShared(plain.value) ?? decodeUnknown(plain.value));
}

/** `decodeFleet` without taking agents together that are written alike: the same result, which a test sees to. */
export function decodeWhole(input: unknown): Decoded {
  const plain = toPlain(input);
  return decodePlain(plain, decodeUnknown(plain.value));
}

function decodePlain(plain: PlainData, decoded: ReturnType<typeof decodeUnknown>): Decoded {
  const inSchema = Result.isFailure(decoded) ? problemsOf(decoded.failure.issue) : [];
  const found = combine(
    coded(plain.problems, "CONFIG_E_NOT_DATA"),
    inSchema,
    coded(lintFleet(plain.value), "CONFIG_E_CONFLICT"),
  );
  const [first, ...others] = found;
  if (first !== undefined) return { ok: false, problems: [first, ...others] };
  if (Result.isFailure(decoded)) throw new Error("the schema refused a fleet without saying why");
  return { ok: true, fleet: resolveFleet(decoded.success) };
}

/**
 * `decodeFleet` for callers that cannot go on without a fleet.
 *
 * @throws CONFIG_E_INVALID with all problems.
 */
export function parseFleet(input: unknown, where?: string): Fleet {
  const decoded = decodeFleet(input);
  if (decoded.ok) return decoded.fleet;
  const count = decoded.problems.length;
  const message = `the fleet has ${count === 1 ? "a problem" : `${count} problems`}`;
  const details = where === undefined ? {} : { where };
  throw configErrors.make("CONFIG_E_INVALID", message, { ...details, problems: decoded.problems });
}

/** Gives problems that do not say of what kind they are the code of what the pass looks for. */
function coded(problems: readonly Problem[], code: keyof typeof configErrors.catalogue): Problem[] {
  return problems.map((problem) => ({ code, ...problem }));
}

/** Merges what three passes found; of several findings at one place, the first pass knows best. */
function combine(...passes: (readonly Problem[])[]): Problem[] {
  const kept = new Map<string, Problem[]>();
  for (const pass of passes) {
    const taken = new Set(kept.keys());
    for (const each of pass) {
      if (taken.has(each.path)) continue;
      kept.set(each.path, [...(kept.get(each.path) ?? []), each]);
    }
  }
  const all = [...kept.values()].flat();
  return all.sort((a, b) => (a.path === b.path ? 0 : a.path < b.path ? -1 : 1));
}

/**
 * Decodes each agent once, on however many hosts it is. Undefined where anything is wrong: only the whole knows the paths.
 */
function decodeShared(fleet: unknown): ReturnType<typeof decodeUnknown> | undefined {
  if (!isRecord(fleet) || !isRecord(fleet.hosts)) return undefined;
  const known = new Map<unknown, DecodedAgent>();
  const agents = new Map<string, Record<string, DecodedAgent>>();
  const hosts = new Map<string, unknown>();
  for (const [name, host] of Object.entries(fleet.hosts)) {
    if (!isRecord(host) || !isRecord(host.agents)) return undefined;
    const own: [string, DecodedAgent][] = [];
    for (const [agentName, agent] of Object.entries(host.agents)) {
      const decoded = known.get(agent) ?? decodedAgent(agent);
      if (decoded === undefined) return undefined;
      known.set(agent, decoded);
      own.push([agentName, decoded]);
    }
    agents.set(name, Object.fromEntries(own));
    hosts.set(name, { ...host, agents: {} });
  }
  const rest = decodeUnknown({ ...fleet, hosts: Object.fromEntries(hosts) });
  if (Result.isFailure(rest)) return undefined;
  const whole = Object.entries(rest.success.hosts).map(
    ([name, host]) => [name, { ...host, agents: agents.get(name) ?? {} }] as const,
  );
  return Result.succeed({ ...rest.success, hosts: Object.fromEntries(whole) });
}

function decodedAgent(agent: unknown): DecodedAgent | undefined {
  const decoded = decodeAgent(agent);
  return Result.isFailure(decoded) ? undefined : decoded.success;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

type DecodedFleet = (typeof FleetSchema)["Type"];
type DecodedHost = DecodedFleet["hosts"][string];
type DecodedRoutine = DecodedHost["routines"][string];
type DecodedAgent = DecodedHost["agents"][string];

function resolveFleet(fleet: DecodedFleet): Fleet {
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
