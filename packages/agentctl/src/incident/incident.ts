import type { Entry, JsonObject } from "@daruma/ledger";

/** What became of an incident, as its entries tell. */
export interface Incident {
  readonly id: string;
  readonly agent: string;
  /** What kind of failure began it: crash, hang, memory, unhealthy, … */
  readonly cause: string;
  readonly began: string;
  /** `null` while it is not over. */
  readonly ended: string | null;
  readonly outcome: "recovered" | "completed" | "stopped" | "held" | "open";
  readonly durationMs: number | null;
  readonly rollback: "none" | "under-way" | "done" | "failed" | "abandoned";
}

/** A step of an incident, and how long after the first failure it happened. */
export interface Step {
  readonly afterMs: number;
  readonly entry: Entry;
}

/** One failure of the agent, with what the ledger holds of it; `null` where it holds nothing. */
export interface Failure {
  readonly seq: number;
  readonly at: string;
  readonly run: string | null;
  readonly action: string;
  readonly cause: string;
  /** How the process ended: {kind, code} or {kind, signal}. */
  readonly exit: JsonObject | null;
  readonly memory: { readonly bytes: number; readonly limitBytes: number | null } | null;
  /** What a probe got, or why it could not be started. */
  readonly reason: string | null;
  readonly uptimeMs: number | null;
}

/** The rules that were looked at when restarting did not help. */
export interface Verdict {
  readonly allowed: boolean;
  readonly rules: readonly string[];
}

/** Actions that end an incident. */
export const ends: Readonly<Record<string, Incident["outcome"]>> = {
  "recovery.verified": "recovered",
  "agent.complete": "completed",
  "agent.stopped-by-person": "stopped",
};

const rollbacks: Readonly<Record<string, Incident["rollback"]>> = {
  "generation.rollback": "under-way",
  "generation.rolled-back": "done",
  "generation.rollback-failed": "failed",
  "generation.rollback-abandoned": "abandoned",
};

/** Decisions against a rollback. */
const refusals = ["agent.hold", "agent.give-up"] as const;

/** What was decided once restarting did not help, or could not. */
export const decisions: readonly string[] = ["recovery.escalate", ...refusals];

/** What must be known of an incident to sum it up, beside its first entries: filters for the ledger. */
export const landmarks: readonly string[] = [...Object.keys(ends), ...refusals, "generation.roll*"];

/** Sums up entries of one incident, in their order: the first one and the landmarks. `null` if there are none. */
export function summarize(id: string, entries: readonly Entry[]): Incident | null {
  const first = entries[0];
  if (first === undefined) return null;
  const began = momentOf(first);
  const end = entries.find(({ action }) => Object.hasOwn(ends, action));
  const held = entries.some(isRefusal);
  const rollback = entries.findLast(({ action }) => Object.hasOwn(rollbacks, action));
  const verifiedMs = end?.details.verifiedAfterMs;
  const measuredMs = end === undefined ? null : sinceMs(began, momentOf(end));
  return {
    id,
    agent: first.subject,
    cause: textOf(entries.find(({ details }) => textOf(details.cause) !== null)?.details.cause) ?? "unknown",
    began,
    ended: end === undefined ? null : momentOf(end),
    outcome: ends[end?.action ?? ""] ?? (held ? "held" : "open"),
    durationMs: numberOf(verifiedMs) ?? measuredMs,
    rollback: rollbacks[rollback?.action ?? ""] ?? "none",
  };
}

/** Each step with its time since the first failure. A clock that steps back makes no time negative. */
export function stepsOf(entries: readonly Entry[]): readonly Step[] {
  const began = entries[0] === undefined ? "" : momentOf(entries[0]);
  return entries.map((entry) => ({ afterMs: sinceMs(began, momentOf(entry)), entry }));
}

/** Every failure within the incident: the one that began it, and those of the restarts. */
export function failuresOf(entries: readonly Entry[]): readonly Failure[] {
  return entries.flatMap((entry): readonly Failure[] => {
    const { seq, action, run = null, details } = entry;
    const cause = textOf(details.cause);
    if (cause === null || !/^agent\.(exit|hang|unhealthy|over-memory|start-failed|start-lost)$/.test(action))
      return [];
    const bytes = numberOf(details.bytes);
    return [
      {
        seq,
        at: momentOf(entry),
        run,
        action,
        cause,
        exit: isObject(details.exit) ? details.exit : null,
        memory: bytes === null ? null : { bytes, limitBytes: numberOf(details.limitBytes) },
        reason: textOf(details.reason) ?? textOf(details.message),
        uptimeMs: numberOf(details.uptimeMs),
      },
    ];
  });
}

export function verdictsOf(entries: readonly Entry[]): readonly Verdict[] {
  return entries.flatMap(({ action, details }): readonly Verdict[] => {
    if (action === "recovery.escalate") return [{ allowed: true, rules: textsOf(details.because) }];
    if (isRefusal({ action })) return [{ allowed: false, rules: textsOf(details.noRollback) }];
    return [];
  });
}

function isRefusal({ action }: Pick<Entry, "action">): boolean {
  return refusals.some((refusal) => refusal === action);
}

/** `at` is when it happened; `time`, when the ledger took it, may be much later. */
export function momentOf({ details, time }: Entry): string {
  return typeof details.at === "string" && !Number.isNaN(Date.parse(details.at)) ? details.at : time;
}

function sinceMs(from: string, to: string): number {
  return Math.max(0, Date.parse(to) - Date.parse(from));
}

function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function numberOf(value: unknown): number | null {
  return typeof value === "number" ? value : null;
}

function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
