import type { Entry } from "@daruma/ledger";

/** What became of an incident, as its entries tell. */
export interface Incident {
  readonly id: string;
  readonly agent: string;
  /** What kind of failure began it: crash, memory, unhealthy, … */
  readonly cause: string;
  readonly began: string;
  /** `null` while it is not over. */
  readonly ended: string | null;
  readonly outcome: "recovered" | "completed" | "held" | "open";
  readonly durationMs: number | null;
  readonly rollback: "none" | "under-way" | "done" | "failed" | "abandoned";
}

/** A step of an incident, and how long after the first failure it happened. */
export interface Step {
  readonly afterMs: number;
  readonly entry: Entry;
}

/** The rules that were looked at when restarting did not help. */
export interface Verdict {
  readonly allowed: boolean;
  readonly rules: readonly string[];
}

const ends: Readonly<Record<string, Incident["outcome"]>> = {
  "recovery.verified": "recovered",
  "agent.complete": "completed",
};

const rollbacks: Readonly<Record<string, Incident["rollback"]>> = {
  "generation.rollback": "under-way",
  "generation.rolled-back": "done",
  "generation.rollback-failed": "failed",
  "generation.rollback-abandoned": "abandoned",
};

/** Sums up the entries of one incident, in their order. `null` if there are none. */
export function summarize(id: string, entries: readonly Entry[]): Incident | null {
  const first = entries[0];
  if (first === undefined) return null;
  const began = momentOf(first);
  const end = entries.find(({ action }) => Object.hasOwn(ends, action));
  const held = entries.some(({ action }) => action === "agent.hold");
  const rollback = entries.findLast(({ action }) => Object.hasOwn(rollbacks, action));
  const causes = entries.map(({ details }) => details.cause);
  const verifiedMs = end?.details.verifiedAfterMs;
  const measuredMs = end === undefined ? null : sinceMs(began, momentOf(end));
  return {
    id,
    agent: first.subject,
    cause: causes.find((cause) => typeof cause === "string") ?? "unknown",
    began,
    ended: end === undefined ? null : momentOf(end),
    outcome: ends[end?.action ?? ""] ?? (held ? "held" : "open"),
    durationMs: typeof verifiedMs === "number" ? verifiedMs : measuredMs,
    rollback: rollbacks[rollback?.action ?? ""] ?? "none",
  };
}

/** Each step with its time since the first failure. A clock that steps back makes no time negative. */
export function stepsOf(entries: readonly Entry[]): readonly Step[] {
  const began = entries[0] === undefined ? "" : momentOf(entries[0]);
  return entries.map((entry) => ({ afterMs: sinceMs(began, momentOf(entry)), entry }));
}

export function verdictsOf(entries: readonly Entry[]): readonly Verdict[] {
  return entries.flatMap(({ action, details }): readonly Verdict[] => {
    if (action === "recovery.escalate") return [{ allowed: true, rules: textsOf(details.because) }];
    if (action === "agent.hold") return [{ allowed: false, rules: textsOf(details.noRollback) }];
    return [];
  });
}

/** `at` is when it happened; `time`, when the ledger took it, may be much later. */
export function momentOf({ details, time }: Entry): string {
  return typeof details.at === "string" && !Number.isNaN(Date.parse(details.at)) ? details.at : time;
}

function sinceMs(from: string, to: string): number {
  return Math.max(0, Date.parse(to) - Date.parse(from));
}

function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
