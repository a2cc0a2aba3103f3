import {
  type AgentAlerts,
  type AgentSpec,
  type DriftPolicy,
  type EgressRule,
  formatDuration,
  formatSize,
  type HealthPolicy,
  type HeartbeatPolicy,
  type HostEgress,
  type HostMetrics,
  type HostSpec,
  isNetwork,
  type JsonScalar,
  type ResourcePolicy,
  type RestartPolicy,
  type ScopedRule,
} from "@daruma/config";
import { agentAlertsExpression, alertsExpression, routineAlertsExpression } from "./alerts-expression.ts";
import {
  type NixDirectory,
  type NixExpression,
  nixBoolean,
  nixList,
  nixNull,
  nixNumber,
  nixSet,
  nixShared,
  nixString,
} from "./nix-expression.ts";
import {
  backoffExpression,
  mapSorted,
  nixDirectory,
  type Places,
  processSettings,
  programSettings,
  wordExpression,
} from "./program-expression.ts";
import { routineSettings } from "./routine-expression.ts";

/**
 * The value of `services.daruma` for a host, with the names and the units of the fleet file. Everything is spelled out,
 * defaults too: the file says what runs, whatever module reads it.
 */
export function hostExpression(
  spec: HostSpec,
  places: Places,
  agentOf: AgentPrinter = agentExpression,
): NixExpression {
  return nixSet({
    enable: nixBoolean(true),
    host: nixString(spec.host),
    system: nixString(spec.system),
    watchdog: nixSet({
      probation: nixString(formatDuration(spec.watchdog.probationMs)),
      rollbackBudget: nixNumber(spec.watchdog.rollbackBudget),
      ...(spec.watchdog.restartsAtOnce === undefined
        ? {}
        : { restartsAtOnce: nixNumber(spec.watchdog.restartsAtOnce) }),
    }),
    ...(spec.drift === undefined ? {} : { drift: driftExpression(spec.drift) }),
    egress: egressExpression(spec.egress),
    // Not spelled out where there are none: modules of the release before do not have it.
    ...(spec.metrics === null ? {} : { metrics: metricsExpression(spec.metrics) }),
    alerts: alertsExpression(spec.alerts),
    agents: nixSet(
      mapSorted(spec.agents, (agent, name) => agentOf(agent, spec.alerts?.agents[name], places)),
    ),
    routines: nixSet(
      mapSorted(spec.routines, (routine, name) =>
        nixSet({
          ...routineSettings(routine, places),
          alerts: routineAlertsExpression(spec.alerts?.routines[name]),
          egress: ownEgress(routine.egress),
        }),
      ),
    ),
  });
}

function driftExpression(drift: DriftPolicy): NixExpression {
  return nixSet({
    policy: nixString(drift.policy),
    every: nixString(formatDuration(drift.everyMs)),
    storeEvery: nixString(formatDuration(drift.storeEveryMs)),
    attempts: nixNumber(drift.attempts),
    within: nixString(formatDuration(drift.withinMs)),
    ignore: nixList(drift.ignore.map(nixString)),
  });
}

export type AgentPrinter = (
  agent: AgentSpec,
  alerts: AgentAlerts | undefined,
  places: Places,
) => NixExpression;

interface Printed {
  readonly directories: readonly string[];
  /** What else the text depends on than the agent itself. */
  readonly differs: string;
  readonly expression: NixExpression;
}

/** Prints an agent once that is on many hosts, unless its sources are elsewhere from there, or others are told of it. */
export function sharedAgents(): AgentPrinter {
  const known = new Map<AgentSpec, Printed>();
  const nearer = directoriesNear();
  return (agent, alerts, places) => {
    const last = known.get(agent);
    const directories = last?.directories ?? sourceDirectories(agent);
    const near = nearer(places);
    const differs = JSON.stringify([directories.map(near), alerts]);
    if (last?.differs === differs) return last.expression;
    const expression = nixShared(agentExpression(agent, alerts, places));
    known.set(agent, { directories, differs, expression });
    return expression;
  };
}

/** `nixDirectory`, once for each directory of the host at hand: its agents share them, and paths are slow to work out. */
function directoriesNear(): (places: Places) => (directory: string) => NixDirectory {
  let here: Places | undefined;
  const known = new Map<string, NixDirectory>();
  return (places) => {
    if (here !== places) known.clear();
    here = places;
    return (directory) => {
      const near = known.get(directory) ?? nixDirectory(directory, places);
      known.set(directory, near);
      return near;
    };
  };
}

function sourceDirectories({ command, environment, fallback }: AgentSpec): string[] {
  const words = [
    ...command,
    ...Object.values(environment),
    ...(fallback?.command ?? []),
    ...Object.values(fallback?.environment ?? {}),
  ];
  return words.flatMap((word) => (typeof word === "string" || word.ref !== "source" ? [] : [word.directory]));
}

function agentExpression(agent: AgentSpec, alerts: AgentAlerts | undefined, places: Places): NixExpression {
  return nixSet({
    ...programSettings(agent, places),
    startup: nixString(formatDuration(agent.startupMs)),
    health: agent.health === null ? nixNull : healthExpression(agent.health),
    heartbeat: agent.heartbeat === null ? nixNull : heartbeatExpression(agent.heartbeat),
    progress:
      agent.progress === undefined
        ? nixNull
        : nixSet({ within: nixString(formatDuration(agent.progress.withinMs)) }),
    resources: agent.resources === undefined ? nixNull : resourcesExpression(agent.resources),
    dependencies: nixSet(mapSorted(agent.dependencies ?? {}, nixString)),
    restart: restartExpression(agent.restart),
    ...processSettings(agent),
    escalate: nixList(agent.escalate.map(nixString)),
    fallback: agent.fallback === undefined ? nixNull : fallbackExpression(agent.fallback, places),
    egress: ownEgress(agent.egress),
    alerts: agentAlertsExpression(alerts),
    required: nixBoolean(agent.required),
  });
}

function fallbackExpression(
  { command, environment }: NonNullable<AgentSpec["fallback"]>,
  places: Places,
): NixExpression {
  return nixSet({
    command: nixList(command.map((word) => wordExpression(word, places))),
    environment: nixSet(mapSorted(environment, (word) => wordExpression(word, places))),
  });
}

function healthExpression(health: HealthPolicy): NixExpression {
  return nixSet({
    http: nixString(health.url),
    every: nixString(formatDuration(health.everyMs)),
    failures: nixNumber(health.failures),
    expect: nixSet({
      status: nixNumber(health.status),
      within: nixString(formatDuration(health.withinMs)),
      contains: health.body?.contains == null ? nixNull : nixString(health.body.contains),
      json: nixSet(mapSorted(health.body?.json ?? {}, scalarExpression)),
    }),
  });
}

function scalarExpression(value: JsonScalar): NixExpression {
  if (value === null) return nixNull;
  if (typeof value === "string") return nixString(value);
  return typeof value === "number" ? nixNumber(value) : nixBoolean(value);
}

function heartbeatExpression({ through, everyMs, silenceMs }: HeartbeatPolicy): NixExpression {
  return nixSet({
    through: nixString(through),
    every: nixString(formatDuration(everyMs)),
    silence: nixString(formatDuration(silenceMs)),
  });
}

function resourcesExpression(resources: ResourcePolicy): NixExpression {
  const size = (bytes: number | null) => (bytes === null ? nixNull : nixString(formatSize(bytes)));
  const number = (value: number | null) => (value === null ? nixNull : nixNumber(value));
  const { leak, latencyMs } = resources;
  return nixSet({
    memory: size(resources.memoryBytes),
    leak:
      leak === null
        ? nixNull
        : nixSet({ growth: size(leak.growthBytes), within: nixString(formatDuration(leak.withinMs)) }),
    cpu: number(resources.cpu),
    openFiles: number(resources.openFiles),
    tasks: number(resources.tasks),
    io: size(resources.ioBytesPerSecond),
    latency: latencyMs === null ? nixNull : nixString(formatDuration(latencyMs)),
    sustained: nixString(formatDuration(resources.sustainedMs)),
    restartWithin: nixString(formatDuration(resources.restartWithinMs)),
  });
}

function restartExpression({ when, exits = {}, backoff, attempts, withinMs }: RestartPolicy): NixExpression {
  return nixSet({
    when: nixString(when),
    exits: nixSet(mapSorted(exits, nixString)),
    backoff: backoffExpression(backoff),
    attempts: nixNumber(attempts),
    within: nixString(formatDuration(withinMs)),
  });
}

function ownEgress(rules: AgentSpec["egress"]): NixExpression {
  return rules === null ? nixNull : nixList(rules.map((rule) => nixSet(ruleSettings(rule))));
}

function egressExpression({ mode, allow, deny, limits }: HostEgress): NixExpression {
  return nixSet({
    mode: nixString(mode),
    allow: nixList(allow.map((rule) => scopedExpression(rule, ruleSettings(rule)))),
    deny: nixList(deny.map((rule) => scopedExpression(rule, denialSettings(rule)))),
    limits: nixSet({
      connections: nixNumber(limits.connections),
      idle: nixString(formatDuration(limits.idleMs)),
      bytes: limits.bytes === null ? nixNull : nixString(formatSize(limits.bytes)),
    }),
  });
}

function metricsExpression({ port, address }: HostMetrics): NixExpression {
  return nixSet({ port: port === null ? nixNull : nixNumber(port), address: nixString(address) });
}

function scopedExpression(rule: ScopedRule, settings: Record<string, NixExpression>): NixExpression {
  return nixSet({ ...settings, scope: nixString(rule.scope) });
}

/** A denial has only these; how one gets to what is denied is nothing that can be set. */
function denialSettings(rule: EgressRule): Record<string, NixExpression> {
  const port = rule.port === null ? nixNull : nixNumber(rule.port);
  return isNetwork(rule) ? { cidr: nixString(rule.cidr), port } : { host: nixString(rule.host), port };
}

function ruleSettings(rule: EgressRule): Record<string, NixExpression> {
  if (isNetwork(rule)) return denialSettings(rule);
  return {
    ...denialSettings(rule),
    protocol: nixString(rule.protocol),
    private: nixBoolean(rule.private),
    forward: rule.forward === null ? nixNull : nixNumber(rule.forward),
  };
}
