/*
 * What `host.json` says of alerts: who is told, of what, and how. Secrets are files that are named here; their content is
 * read when something is sent.
 */

export const sinkKinds = [
  "webhook",
  "slack",
  "discord",
  "telegram",
  "pagerduty",
  "opsgenie",
  "whatsapp",
  "email",
] as const;
export type SinkKind = (typeof sinkKinds)[number];

/** Least first. */
export const alertSeverities = ["info", "warning", "error", "critical"] as const;
export type AlertSeverity = (typeof alertSeverities)[number];

/**
 * Of what an agent tells.
 *
 * - `recovery`: of each failure, and of its end
 * - `escalation`: as soon as restarting was not enough
 * - `unresolved`: only if nothing that Daruma can do helps, or it takes too long
 */
export const agentAlertLevels = ["recovery", "escalation", "unresolved", "never"] as const;
export type AgentAlertLevel = (typeof agentAlertLevels)[number];

/** `anomaly`: a run that has succeeded, and whose result is not as expected. */
export const routineAlertEvents = ["success", "failure", "anomaly"] as const;
export type RoutineAlertEvent = (typeof routineAlertEvents)[number];

export interface AlertsManifest {
  readonly sinks: Readonly<Record<string, SinkManifest>>;
  /** Names of the sinks that are told of what is about the host. */
  readonly to: readonly string[];
  readonly agents: Readonly<Record<string, AgentAlerts>>;
  readonly routines: Readonly<Record<string, RoutineAlerts>>;
  readonly quiet: QuietHours | null;
  readonly digest: DigestPolicy;
  /** What could not be delivered for this long is given up. */
  readonly giveUpMs: number;
  readonly deadMansSwitch: DeadMansSwitch | null;
}

export interface SinkManifest {
  readonly kind: SinkKind;
  /** File of the secret; null for none. */
  readonly credential: string | null;
  /** Where the service is; null for where it usually is. */
  readonly url: string | null;
  readonly from: string | null;
  readonly to: readonly string[];
  readonly user: string | null;
  readonly template: string | null;
  readonly language: string;
  /** Name of the sink that is told where this one cannot be; null for none. */
  readonly fallback: string | null;
  /** Whether its host may have an address that is not public. */
  readonly private: boolean;
}

export interface AgentAlerts {
  readonly on: AgentAlertLevel;
  /** A failure that lasts this long is unresolved. */
  readonly afterMs: number;
  readonly to: readonly string[];
}

export interface RoutineAlerts {
  readonly on: readonly RoutineAlertEvent[];
  readonly to: readonly string[];
}

/** A time of each day in which only what is serious goes out; the rest waits for its end. */
export interface QuietHours {
  /** `HH:MM`. Where it is after `to`, the time goes over midnight. */
  readonly from: string;
  readonly to: string;
  /** IANA name. */
  readonly timezone: string;
  /** The least severity that goes out all the same. */
  readonly except: AlertSeverity;
}

/** After `after` messages of a sink within `withinMs`, what is new is gathered, and told together every `everyMs`. */
export interface DigestPolicy {
  readonly after: number;
  readonly withinMs: number;
  readonly everyMs: number;
}

export interface DeadMansSwitch {
  /** File of the URL. */
  readonly credential: string;
  /** Scheme, host and port of that URL. */
  readonly url: string;
  readonly everyMs: number;
  /** Whether its host may have an address that is not public. */
  readonly private: boolean;
}

/** Where each service is, unless a sink says otherwise. */
export const sinkUrls: Readonly<Record<SinkKind, string | null>> = {
  webhook: null,
  slack: "https://hooks.slack.com",
  discord: "https://discord.com",
  telegram: "https://api.telegram.org",
  pagerduty: "https://events.pagerduty.com",
  opsgenie: "https://api.opsgenie.com",
  whatsapp: "https://graph.facebook.com/v23.0",
  email: null,
};

/** The URL under which a sink's service is. The lints see to it that there is one. */
export function sinkUrl({ kind, url }: Pick<SinkManifest, "kind" | "url">): string {
  const found = url ?? sinkUrls[kind];
  if (found === null) throw new Error(`a sink of kind ${kind} has no url`);
  return found;
}
