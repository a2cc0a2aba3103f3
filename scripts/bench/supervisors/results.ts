/** What was found out about one supervisor, and what Daruma's ledger tells of it. */
import type { Trial } from "./trials.ts";

export const faults = ["crash", "hang", "limit", "trend", "deploy"] as const;
/** `limit`: more memory than a limit; `trend`: memory that grows, before any limit; `deploy`: of what ends at its start. */
export type Fault = (typeof faults)[number];

/** What is measured; everything, unless it was asked for less. */
export const wanted = wantedOf(process.env.FAULTS ?? "");

function wantedOf(list: string): readonly Fault[] {
  const names = list.split(/[\s,]+/).filter((name) => name !== "");
  const unknown = names.filter((name) => faults.every((fault) => fault !== name));
  if (unknown.length > 0)
    throw new Error(`FAULTS: there is no ${unknown.join(", ")}; there are ${faults.join(", ")}`);
  return names.length === 0 ? faults : faults.filter((fault) => names.includes(fault));
}

export interface Seen extends Trial {
  /** Unix time in milliseconds; missing where nobody says that it has seen anything. */
  readonly detectedAt?: number;
  /** The same of the proof that what was started works. */
  readonly verifiedAt?: number;
  /** Of a bad deploy, which is detected with the decision to roll back: when the earlier generation was switched to. */
  readonly rolledBackAt?: number;
}

/** A text says why there is nothing to measure. */
export type Outcome = readonly Seen[] | string;

export interface Result {
  readonly name: string;
  readonly outcomes: Readonly<Record<Fault, Outcome>>;
}

const signs: Readonly<Record<Fault, { readonly detected: string; readonly verified: string }>> = {
  crash: { detected: "agent.exit", verified: "recovery.verified" },
  hang: { detected: "agent.unhealthy", verified: "recovery.verified" },
  limit: { detected: "agent.overuse", verified: "agent.healthy" },
  trend: { detected: "agent.leak", verified: "agent.healthy" },
  deploy: { detected: "generation.rollback", verified: "recovery.verified" },
};

/** @param at when the first entry of this action was made that is not older than `since`; Unix time in milliseconds */
export async function seen(
  fault: Fault,
  trial: Trial,
  at: (action: string, since: number) => Promise<number>,
): Promise<Seen> {
  if (trial.servedAt === null) return trial;
  const { detected, verified } = signs[fault];
  // The ledger's clock has milliseconds: an entry of the same one would otherwise come out as older.
  const detectedAt = Math.max(trial.failedAt, await at(detected, Math.floor(trial.failedAt)));
  const since = Math.floor(detectedAt);
  const verifiedAt = await at(verified, since);
  if (fault !== "deploy") return { ...trial, detectedAt, verifiedAt };
  return { ...trial, detectedAt, verifiedAt, rolledBackAt: await at("generation.rolled-back", since) };
}

/** One after the other, those that are wanted. */
export async function outcomesOf(
  measures: Readonly<Record<Fault, Outcome | (() => Promise<Outcome>)>>,
): Promise<Result["outcomes"]> {
  const outcomes = { ...allOf("not measured: nobody asked for it") };
  for (const fault of wanted) {
    const measure = measures[fault];
    outcomes[fault] = typeof measure === "function" ? await measure() : measure;
  }
  return outcomes;
}

/** Why nobody but Daruma finds a leak before a limit. */
export const noTrend = "it looks at no growth";

export function cannot(why: string): string {
  return `cannot: ${why}`;
}

/** Where nothing could be measured. */
export function allOf(outcome: Outcome): Record<Fault, Outcome> {
  return { crash: outcome, hang: outcome, limit: outcome, trend: outcome, deploy: outcome };
}
