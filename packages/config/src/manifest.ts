import type { AlertsManifest } from "./alerts/manifest.ts";
import type { EgressManifest } from "./egress/rule.ts";
import type { backoffKinds, driftPolicies, exitMeanings } from "./words.ts";

/**
 * The shape of `host.json`, the one document that a generation gives to watchd: every default filled in, every path
 * real, every agent with its digest. Nix writes it on a host, `agentctl dev` on a laptop.
 */
export interface HostManifest {
  readonly schemaVersion: 1;
  readonly host: string;
  /** A Nix system double, such as `x86_64-linux`. */
  readonly system: string;
  /** Hash of everything of the host that is not in an agent's digest. */
  readonly hostDigest: string;
  readonly watchdog: WatchdogPolicy;
  /** An earlier release has not written it: then nothing is compared. */
  readonly drift?: DriftPolicy;
  readonly agents: Readonly<Record<string, AgentManifest>>;
  /** None in what an older release wrote. */
  readonly routines: Readonly<Record<string, RoutineManifest>>;
  /** Who is told of what. Left out where nobody is, and by an earlier release. */
  readonly alerts?: AlertsManifest;
}

export interface WatchdogPolicy {
  /** How long every required agent must stay healthy before a generation is known-good. */
  readonly probationMs: number;
  /** How many automatic rollbacks may leave one and the same generation. */
  readonly rollbackBudget: number;
  /** How many agents that have failed may be starting up again at once. An earlier release has not written it: any number. */
  readonly restartsAtOnce?: number;
}

export interface DriftPolicy {
  readonly policy: (typeof driftPolicies)[number];
  /** Time between two looks. */
  readonly everyMs: number;
  /** Time in which every store path in use is hashed once. */
  readonly storeEveryMs: number;
  /** How often one difference is put right within `withinMs`. */
  readonly attempts: number;
  readonly withinMs: number;
  /** Absolute paths; what is at them or below them is somebody else's. */
  readonly ignore: readonly string[];
}

export interface AgentManifest {
  /** Changes exactly when a deploy changed what the agent runs or how it is judged. */
  readonly digest: string;
  /** The program, absolute, and its arguments. */
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly workingDirectory: string | null;
  /** Name in `$CREDENTIALS_DIRECTORY` -> file on the host. Paths only; no content is ever read at deploy time. */
  readonly credentials: Readonly<Record<string, string>>;
  /** Time in which failing probes do not count; without a health check, how long a run must last to be healthy. */
  readonly startupMs: number;
  readonly health: HealthPolicy | null;
  /** `null` for none, which is also what a manifest means that an older release wrote. */
  readonly heartbeat: HeartbeatPolicy | null;
  /** Left out where nothing is said; and so are the next two. */
  readonly progress?: ProgressPolicy;
  readonly resources?: ResourcePolicy;
  /** Name -> a tcp, http or https URL. */
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly restart: RestartPolicy;
  readonly limits: { readonly memoryBytes: number | null };
  readonly stop: StopPolicy;
  readonly escalate: readonly Escalation[];
  /** Left out where there is none. */
  readonly fallback?: FallbackManifest;
  /** What it may reach; `null` for everything, which is also what a manifest means that an older release wrote. */
  readonly egress: EgressManifest | null;
  /** Whether the generation's probation waits for this agent. */
  readonly required: boolean;
}

/** What an agent runs with once restarting it as it is has not helped. All else stays as it is. */
export interface FallbackManifest {
  /** Of the agent as it then is; never that of the agent itself. */
  readonly digest: string;
  /** All of it, as in `AgentManifest`. */
  readonly command: readonly string[];
  /** Set beside the agent's own variables, and in place of those of the same name. */
  readonly environment: Readonly<Record<string, string>>;
}

/** A routine, as watchd is to run it. */
export interface RoutineManifest {
  /** Changes exactly when a deploy changed what the routine runs. */
  readonly digest: string;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly workingDirectory: string | null;
  readonly credentials: Readonly<Record<string, string>>;
  /** As in docs/concepts/schedules.md. */
  readonly schedule: { readonly expression: string; readonly timezone: string } | null;
  readonly atBoot: boolean;
  /** Names of routines of the host. */
  readonly after: readonly string[];
  readonly on: RoutineEvents;
  readonly webhook: WebhookTrigger | null;
  readonly overlap: { readonly kind: OverlapKind; readonly limit: number };
  readonly missed: { readonly run: MissedRun; readonly withinMs: number };
  readonly jitterMs: number;
  readonly deadlineMs: number | null;
  readonly group: string | null;
  readonly retries: number;
  readonly backoff: BackoffPolicy;
  readonly timeoutMs: number | null;
  readonly expect: Expectations;
  readonly limits: { readonly memoryBytes: number | null };
  readonly stop: StopPolicy;
  /** As of an agent. */
  readonly egress: EgressManifest | null;
}

/** What a run tells of its result. */
export const countNames = ["extracted", "transformed", "loaded", "errors"] as const;
export type CountName = (typeof countNames)[number];

/** Null: nothing is expected of the count. */
export type Expectations = Readonly<Record<CountName, CountBounds | null>>;

export interface CountBounds {
  readonly min: number | null;
  readonly max: number | null;
  /** Share of the median of earlier results by which it may differ. */
  readonly deviation: number | null;
}

/** Events that fire a routine, beside the success of those in `after`. */
export interface RoutineEvents {
  /** Names of routines of the host. */
  readonly failed: readonly string[];
  /** Names of agents of the host. */
  readonly recovered: readonly string[];
  /** An action as a whole or its beginning followed by `*`; null for any subject. */
  readonly ledger: readonly { readonly action: string; readonly subject: string | null }[];
  /** Absolute paths. */
  readonly files: readonly string[];
}

export interface WebhookTrigger {
  readonly path: string;
  readonly scheme: WebhookScheme;
  /** Absolute paths of files. */
  readonly secrets: readonly string[];
  /** `ADDRESS:PORT` */
  readonly listen: string;
  readonly bodyBytes: number;
}

export const defaultWebhookListen = "127.0.0.1:8788";

/**
 * How the sender of a webhook proves itself.
 *
 * - `standard`: Standard Webhooks 1.0 (https://www.standardwebhooks.com): `whsec_` keys for v1, `whpk_` keys for v1a
 * - `github`: `X-Hub-Signature-256` over the body, which bears no time
 * - `stripe`: `Stripe-Signature` over time and body
 * - `shared`: the secret itself as a bearer token: whoever reads one request can make others
 */
export const webhookSchemes = ["standard", "github", "stripe", "shared"] as const;
export type WebhookScheme = (typeof webhookSchemes)[number];

export const overlapPolicies = ["skip", "queue", "parallel", "replace"] as const;
export type OverlapKind = (typeof overlapPolicies)[number];

export const missedPolicies = ["skip", "one", "all"] as const;
export type MissedRun = (typeof missedPolicies)[number];

export interface HealthPolicy {
  readonly url: string;
  readonly everyMs: number;
  readonly withinMs: number;
  readonly status: number;
  /** What has to be in the body; `null` for nothing, which is also what a manifest means that an older release wrote. */
  readonly body: BodyPolicy | null;
  /** Consecutive failing probes that make a healthy agent unhealthy. */
  readonly failures: number;
}

export interface BodyPolicy {
  readonly contains: string | null;
  /** JSON Pointer (RFC 6901) -> the value that has to be there. */
  readonly json: Readonly<Record<string, JsonScalar>>;
}

export type JsonScalar = string | number | boolean | null;

export interface HeartbeatPolicy {
  readonly through: "notify" | "http";
  /** How often the agent is to tell. */
  readonly everyMs: number;
  /** After this long without a word it hangs. */
  readonly silenceMs: number;
}

/** Its counter has to rise within this time, in which it is not idle. */
export interface ProgressPolicy {
  readonly withinMs: number;
}

/** What the agent may use before it is restarted; `null`: any amount. */
export interface ResourcePolicy {
  readonly memoryBytes: number | null;
  readonly leak: LeakPolicy | null;
  /** Processors in use, on average. */
  readonly cpu: number | null;
  readonly openFiles: number | null;
  /** Processes and threads. */
  readonly tasks: number | null;
  readonly ioBytesPerSecond: number | null;
  /** Of a passing health check. */
  readonly latencyMs: number | null;
  /** How long more has to be in use without a break. Not for leaks. */
  readonly sustainedMs: number;
  /** How long the restart waits for a moment that the agent calls idle. */
  readonly restartWithinMs: number;
}

export interface LeakPolicy {
  readonly growthBytes: number;
  readonly withinMs: number;
}

export interface RestartPolicy {
  readonly when: "always" | "on-failure" | "never";
  /** Exit code or signal -> what it means, where that is not the usual. Left out where nothing is said. */
  readonly exits?: Readonly<Record<string, ExitMeaning>>;
  readonly backoff: BackoffPolicy;
  /** Failures within `withinMs` after which restarting is not enough. */
  readonly attempts: number;
  readonly withinMs: number;
}

export type ExitMeaning = (typeof exitMeanings)[number];

export interface BackoffPolicy {
  /** Left out where it is exponential. */
  readonly kind?: (typeof backoffKinds)[number];
  readonly initialMs: number;
  readonly factor: number;
  readonly maxMs: number;
  /** Share of the delay, 0 to 1, by which it may vary either way. */
  readonly jitter: number;
}

export interface StopPolicy {
  readonly signal: StopSignal;
  readonly graceMs: number;
}

export const stopSignals = ["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2"] as const;
export type StopSignal = (typeof stopSignals)[number];

/**
 * What can be done when restarting is not enough.
 *
 * - `fallback`: the agent goes on with its `fallback` settings
 * - `rollback-agent`: the agent alone goes back to what a known-good generation has of it
 * - `rollback`: the whole system goes back
 * - `alert`: a person is told
 */
export const escalations = ["fallback", "rollback-agent", "rollback", "alert"] as const;
export type Escalation = (typeof escalations)[number];
