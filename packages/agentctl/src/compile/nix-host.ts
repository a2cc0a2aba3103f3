import {
  type AgentSpec,
  type HostEgress,
  type HostSpec,
  type JsonScalar,
  parseDuration,
  parseSize,
  type Word,
} from "@daruma/config";
import { storeName } from "./store-name.ts";

/* What a generated host is once Nix has read it, in the words of the spec that it was printed from. */

/** Stand-ins for packages, by their attribute. */
export const stubPaths: Readonly<Record<string, string>> = {
  nodejs_24: "/stub/nodejs_24",
  "python3Packages.pip": "/stub/pip",
  "3proxy": "/stub/3proxy",
};

/** A host as Nix evaluates it: measures are texts, references are paths. */
export interface NixHost {
  readonly enable: boolean;
  readonly host: string;
  readonly system: string;
  readonly watchdog: {
    readonly probation: string;
    readonly rollbackBudget: number;
    readonly restartsAtOnce: number;
  };
  readonly drift: {
    readonly policy: string;
    readonly every: string;
    readonly storeEvery: string;
    readonly attempts: number;
    readonly within: string;
    readonly ignore: readonly string[];
  };
  readonly egress: Pick<HostEgress, "mode"> & {
    readonly allow: readonly NixRule[];
    readonly deny: readonly NixRule[];
    readonly limits: { readonly connections: number; readonly idle: string; readonly bytes: string | null };
  };
  readonly alerts: NixAlerts;
  readonly metrics?: HostSpec["metrics"];
  readonly agents: Readonly<Record<string, NixAgent>>;
}

interface NixAlerts {
  readonly sinks: Readonly<Record<string, unknown>>;
  readonly to: readonly string[];
  readonly quiet: unknown;
  readonly digest: { readonly after: number; readonly within: string; readonly every: string };
  readonly giveUp: string;
  readonly deadMansSwitch: { readonly every: string; readonly [key: string]: unknown } | null;
}

/** What an option leaves open is null. */
interface NixRule {
  readonly host?: string | null;
  readonly cidr?: string | null;
  readonly port: number | null;
  readonly protocol?: string | null;
  readonly private?: boolean | null;
  readonly forward?: number | null;
  readonly scope?: string | null;
}

interface NixAgent {
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly workingDirectory: string | null;
  readonly credentials: Readonly<Record<string, string>>;
  readonly egress: readonly NixRule[] | null;
  readonly startup: string;
  readonly health: {
    readonly http: string;
    readonly every: string;
    readonly failures: number;
    readonly expect: {
      readonly status: number;
      readonly within: string;
      readonly contains: string | null;
      readonly json: Readonly<Record<string, JsonScalar>>;
    };
  } | null;
  readonly heartbeat: { readonly through: string; readonly every: string; readonly silence: string } | null;
  readonly progress: { readonly within: string } | null;
  readonly resources: {
    readonly memory: string | null;
    readonly leak: { readonly growth: string; readonly within: string } | null;
    readonly cpu: number | null;
    readonly openFiles: number | null;
    readonly tasks: number | null;
    readonly io: string | null;
    readonly latency: string | null;
    readonly sustained: string;
    readonly restartWithin: string;
  } | null;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly restart: {
    readonly when: string;
    readonly exits: Readonly<Record<string, string>>;
    readonly backoff: {
      readonly kind: string;
      readonly initial: string;
      readonly factor: number;
      readonly max: string;
      readonly jitter: number;
    };
    readonly attempts: number;
    readonly within: string;
  };
  readonly limits: { readonly memory: string | null };
  readonly stop: { readonly signal: string; readonly grace: string };
  readonly escalate: readonly string[];
  readonly alerts: {
    readonly on: string | null;
    readonly after: string | null;
    readonly to: readonly string[] | null;
  };
  readonly fallback: Pick<NixAgent, "command" | "environment"> | null;
  readonly required: boolean;
}

/** Undoes what the compiler did, by other means. */
export function hostOf(nix: NixHost): unknown {
  return {
    schemaVersion: 1,
    host: nix.host,
    system: nix.system,
    watchdog: {
      probationMs: ms(nix.watchdog.probation),
      rollbackBudget: nix.watchdog.rollbackBudget,
      restartsAtOnce: nix.watchdog.restartsAtOnce,
    },
    drift: {
      policy: nix.drift.policy,
      everyMs: ms(nix.drift.every),
      storeEveryMs: ms(nix.drift.storeEvery),
      attempts: nix.drift.attempts,
      withinMs: ms(nix.drift.within),
      ignore: nix.drift.ignore,
    },
    egress: {
      mode: nix.egress.mode,
      allow: nix.egress.allow.map(ruleOf),
      deny: nix.egress.deny.map(ruleOf),
      limits: {
        connections: nix.egress.limits.connections,
        idleMs: ms(nix.egress.limits.idle),
        bytes: nix.egress.limits.bytes === null ? null : amount(parseSize(nix.egress.limits.bytes)),
      },
    },
    alerts: alertsOf(nix),
    metrics: nix.metrics ?? null,
    agents: Object.fromEntries(Object.entries(nix.agents).map(([name, value]) => [name, agentOf(value)])),
  };
}

function alertsOf({ alerts, agents }: NixHost): unknown {
  const { sinks, to, quiet, digest, giveUp, deadMansSwitch } = alerts;
  if (Object.keys(sinks).length === 0 && deadMansSwitch === null) return null;
  const { every, ...rest } = deadMansSwitch ?? { every: "0s" };
  const each = Object.entries(agents).map(([name, { alerts: own }]) => [
    name,
    { on: own.on, afterMs: ms(own.after ?? ""), to: own.to },
  ]);
  return {
    sinks,
    to,
    agents: Object.fromEntries(each),
    routines: {},
    quiet,
    digest: { after: digest.after, withinMs: ms(digest.within), everyMs: ms(digest.every) },
    giveUpMs: ms(giveUp),
    deadMansSwitch: deadMansSwitch === null ? null : { ...rest, everyMs: ms(every) },
  };
}

function agentOf(nix: NixAgent): unknown {
  const { health, heartbeat, restart } = nix;
  const hashless = (path: string) => path.replace(/^.*\/store\/[0-9a-z]{32}-/, "/store/");
  const program = ({ command, environment }: Pick<NixAgent, "command" | "environment">) => ({
    command: command.map(hashless),
    environment: Object.fromEntries(
      Object.entries(environment).map(([name, value]) => [name, hashless(value)]),
    ),
  });
  return {
    ...program(nix),
    workingDirectory: nix.workingDirectory,
    credentials: nix.credentials,
    startupMs: ms(nix.startup),
    health: health && {
      url: health.http,
      everyMs: ms(health.every),
      withinMs: ms(health.expect.within),
      status: health.expect.status,
      body: bodyOf(health.expect),
      failures: health.failures,
    },
    heartbeat: heartbeat && {
      through: heartbeat.through,
      everyMs: ms(heartbeat.every),
      silenceMs: ms(heartbeat.silence),
    },
    ...(nix.progress === null ? {} : { progress: { withinMs: ms(nix.progress.within) } }),
    ...(nix.resources === null ? {} : { resources: resourcesOf(nix.resources) }),
    ...(Object.keys(nix.dependencies).length === 0 ? {} : { dependencies: nix.dependencies }),
    restart: {
      when: restart.when,
      ...(Object.keys(restart.exits).length === 0 ? {} : { exits: restart.exits }),
      backoff: {
        ...(restart.backoff.kind === "exponential" ? {} : { kind: restart.backoff.kind }),
        initialMs: ms(restart.backoff.initial),
        factor: restart.backoff.factor,
        maxMs: ms(restart.backoff.max),
        jitter: restart.backoff.jitter,
      },
      attempts: restart.attempts,
      withinMs: ms(restart.within),
    },
    limits: { memoryBytes: nix.limits.memory === null ? null : amount(parseSize(nix.limits.memory)) },
    stop: { signal: nix.stop.signal, graceMs: ms(nix.stop.grace) },
    escalate: nix.escalate,
    ...(nix.fallback === null ? {} : { fallback: program(nix.fallback) }),
    egress: nix.egress?.map(ruleOf) ?? null,
    required: nix.required,
  };
}

function ruleOf({ host, cidr, port, protocol, private: own, forward, scope }: NixRule): unknown {
  const scoped = scope == null ? {} : { scope };
  if (host == null) return { cidr, port, ...scoped };
  return {
    host,
    port,
    protocol: protocol ?? (port === 443 ? "tls" : "tcp"),
    private: own ?? false,
    forward: forward ?? null,
    ...scoped,
  };
}

function resourcesOf(nix: NonNullable<NixAgent["resources"]>): unknown {
  const size = (text: string | null) => (text === null ? null : amount(parseSize(text)));
  return {
    memoryBytes: size(nix.memory),
    leak: nix.leak && { growthBytes: size(nix.leak.growth), withinMs: ms(nix.leak.within) },
    cpu: nix.cpu,
    openFiles: nix.openFiles,
    tasks: nix.tasks,
    ioBytesPerSecond: size(nix.io),
    latencyMs: nix.latency === null ? null : ms(nix.latency),
    sustainedMs: ms(nix.sustained),
    restartWithinMs: ms(nix.restartWithin),
  };
}

function bodyOf({ contains, json }: NonNullable<NixAgent["health"]>["expect"]): unknown {
  return contains === null && Object.keys(json).length === 0 ? null : { contains, json };
}

/** The spec with each reference replaced by the path that the stand-ins give it. */
export function withPaths(spec: HostSpec): unknown {
  const path = (each: Word) => {
    if (typeof each === "string") return each;
    if (each.ref === "nixpkg") return `${stubPaths[each.attribute]}/${each.path}`;
    return `/store/${storeName(each.directory)}/${each.file}`;
  };
  const program = ({ command, environment }: Pick<AgentSpec, "command" | "environment">) => ({
    command: command.map(path),
    environment: Object.fromEntries(Object.entries(environment).map(([name, each]) => [name, path(each)])),
  });
  const resolved = (value: AgentSpec) => ({
    ...value,
    ...program(value),
    ...(value.fallback === undefined ? {} : { fallback: program(value.fallback) }),
  });
  // Routines go all the way to host.json in tests/nix/routines.test.ts.
  const { routines: _, ...rest } = spec;
  return {
    ...rest,
    agents: Object.fromEntries(Object.entries(spec.agents).map(([name, value]) => [name, resolved(value)])),
  };
}

function ms(duration: string): number {
  return amount(parseDuration(duration));
}

function amount(parsed: ReturnType<typeof parseDuration>): number {
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed.value;
}
