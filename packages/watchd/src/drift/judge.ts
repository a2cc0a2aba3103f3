import type { DriftPolicy } from "@daruma/config";
import type { LedgerRecord, Severity } from "../policy/events.ts";
import { diffLines } from "./diff.ts";
import { type Difference, type DriftKind, describeRemedy, isCorrectable, keyOf } from "./difference.ts";

/** What is known of one difference. All times are Unix milliseconds: they outlive the boot. */
export interface Known {
  readonly difference: Difference;
  readonly since: number;
  /** Looks in a row that have found it, up to `confirmedAfter`. 0: it is gone, and remembered for the sake of its corrections. */
  readonly seen: number;
  /** Whether the ledger has it that it is there. */
  readonly reported: boolean;
  /** When it was told of, within the policy's window. */
  readonly told: readonly number[];
  /** When it was put right, or was to be, within the policy's window. */
  readonly tries: readonly number[];
  /** A correction that is not judged yet. */
  readonly correcting: {
    readonly since: number;
    readonly by: Initiator;
    readonly problems: readonly string[];
  } | null;
  /** It is left as it is, until it is gone or a person wants it put right. */
  readonly held: boolean;
}

export type Initiator = "policy" | "operator";

/** By `keyOf`. */
export interface DriftState {
  /** The generation that all this is about; null before the first look. */
  readonly generation: string | null;
  readonly known: Readonly<Record<string, Known>>;
}

export interface Look {
  readonly generation: string;
  readonly differences: readonly Difference[];
  /** What could not be looked at this time: of these, nothing is new and nothing is gone. */
  readonly unseen: readonly DriftKind[];
}

export interface Judged {
  readonly state: DriftState;
  readonly records: readonly LedgerRecord[];
  /** What is to be put right now: `begin` first, and then do it. */
  readonly due: readonly Difference[];
  /** Something was seen for the first time: it may pass by itself, and another look will tell. */
  readonly unconfirmed: boolean;
}

export const initialDrift: DriftState = { generation: null, known: {} };

/** What is seen once may be half of somebody's deed. */
export const confirmedAfter = 2;
/** In the policy's window; one that comes and goes more often than that fills no ledger. */
const mostTold = 10;
/** Code units; the ledger takes 256 characters. */
const longestSubject = 200;

/** Pure: what a look means, after all the looks before it. */
export function judge(before: DriftState, look: Look, policy: DriftPolicy, now: number): Judged {
  const records: LedgerRecord[] = [];
  const known: Record<string, Known> = {};
  const due: Difference[] = [];
  const tell = teller(records, look.generation, now);
  const sameGeneration = before.generation === look.generation;
  const found = new Map(look.differences.map((difference) => [keyOf(difference), difference]));
  for (const [key, old] of Object.entries(before.known)) {
    if (found.has(key) && sameGeneration) continue;
    if (sameGeneration && look.unseen.includes(old.difference.kind)) known[key] = old;
    else {
      tellGone(tell, old, sameGeneration, now);
      const rest = afterwards(old, policy, now);
      if (sameGeneration && rest !== null) known[key] = rest;
    }
  }
  for (const [key, difference] of found) {
    const old = sameGeneration ? before.known[key] : undefined;
    const judged = judgeOne(tell, old, difference, policy, now);
    known[key] = judged.known;
    if (judged.due) due.push(difference);
  }
  const unconfirmed = Object.values(known).some(({ seen }) => seen > 0 && seen < confirmedAfter);
  return { state: { generation: look.generation, known }, records, due, unconfirmed };
}

/** Counts the correction and tells of it. To be durable before anything is done: a crash must not make it free. */
export function begin(
  state: DriftState,
  due: readonly Difference[],
  by: Initiator,
  now: number,
): { readonly state: DriftState; readonly records: readonly LedgerRecord[] } {
  const records: LedgerRecord[] = [];
  const tell = teller(records, state.generation ?? "", now);
  const known = { ...state.known };
  for (const difference of due) {
    const key = keyOf(difference);
    const old = known[key];
    if (old === undefined) continue;
    const tries = [...old.tries, now];
    known[key] = { ...old, tries, held: false, correcting: { since: now, by, problems: [] } };
    const remedy = describeRemedy(difference.remedy);
    tell("drift.correct", difference, "warning", { by, remedy, attempt: tries.length });
  }
  return { state: { ...state, known }, records };
}

/** What went wrong while putting right what is under way; whether it is right, the next look tells. */
export function went(state: DriftState, problems: readonly string[]): DriftState {
  const entries = Object.entries(state.known).map(([key, each]): [string, Known] => [
    key,
    each.correcting === null ? each : { ...each, correcting: { ...each.correcting, problems } },
  ]);
  return { ...state, known: Object.fromEntries(entries) };
}

type Tell = (
  action: string,
  difference: Difference,
  severity: Severity,
  details?: LedgerRecord["details"],
) => void;

function teller(records: LedgerRecord[], generation: string, at: number): Tell {
  return (action, { kind, at: subject }, severity, details = {}) => {
    records.push({
      action,
      subject: subject.slice(0, longestSubject),
      at,
      severity,
      details: { kind, generation, ...details },
    });
  };
}

function judgeOne(
  tell: Tell,
  old: Known | undefined,
  difference: Difference,
  policy: DriftPolicy,
  now: number,
): { readonly known: Known; readonly due: boolean } {
  const base = old ?? fresh(difference, now);
  const returned = base.seen === 0;
  const changed = !returned && !sameText(base.difference, difference);
  const seen = changed ? 1 : Math.min(base.seen + 1, confirmedAfter);
  let known: Known = {
    ...base,
    difference,
    seen,
    since: returned ? now : base.since,
    told: recent(base.told, policy, now),
    tries: recent(base.tries, policy, now),
  };
  if (seen < confirmedAfter) return { known, due: false };
  if (known.correcting !== null) known = tellFailed(tell, known, now);
  if (base.seen < confirmedAfter && known.told.length < mostTold) {
    tell("drift.found", difference, "warning", findingOf(difference, policy));
    known = { ...known, reported: true, told: [...known.told, now] };
  }
  return decide(tell, known, policy, now);
}

/** Whether it is put right now; where it has been so too often, it is held. */
function decide(tell: Tell, known: Known, policy: DriftPolicy, now: number): { known: Known; due: boolean } {
  const { difference, tries, held } = known;
  if (policy.policy !== "correct" || held || !isCorrectable(difference)) return { known, due: false };
  const last = tries.at(-1);
  // Not at once again: whoever undoes it would make a race of it.
  if (tries.length < policy.attempts)
    return { known, due: last === undefined || Math.abs(now - last) >= policy.everyMs };
  const why = `put right ${tries.length} times, and it is there again`;
  tell("drift.hold", difference, "critical", { tries: tries.length, why });
  const message = `${difference.at} is not as declared, and Daruma leaves it so: ${why}`;
  tell("alert.raise", difference, "critical", { kind: "drift", message, why: [why] });
  return { known: { ...known, held: true }, due: false };
}

function tellFailed(tell: Tell, known: Known, now: number): Known {
  const { difference, correcting } = known;
  if (correcting === null) return known;
  const { by, since, problems } = correcting;
  const reasons = problems.length === 0 ? ["it is as it was before"] : [...problems];
  tell("drift.correction-failed", difference, "critical", {
    by,
    problems: reasons,
    tookMs: elapsed(since, now),
  });
  return { ...known, correcting: null };
}

function tellGone(
  tell: Tell,
  { difference, since, seen, reported, correcting }: Known,
  same: boolean,
  now: number,
): void {
  if (seen === 0 || !reported) return;
  if (correcting !== null && same) {
    const { by, since: begun } = correcting;
    tell("drift.corrected", difference, "info", {
      by,
      tookMs: elapsed(begun, now),
      afterMs: elapsed(since, now),
    });
    return;
  }
  if (difference.remedy.kind === "done") {
    const took = elapsed(since, now);
    tell("drift.corrected", difference, "info", { by: difference.remedy.by, tookMs: took, afterMs: took });
    return;
  }
  const why = same ? "it is as declared again" : "another generation is current";
  tell("drift.gone", difference, "info", { why, afterMs: elapsed(since, now) });
}

/** What is gone is remembered for as long as its corrections count. */
function afterwards(known: Known, policy: DriftPolicy, now: number): Known | null {
  const tries = recent(known.tries, policy, now);
  const told = recent(known.told, policy, now);
  if (tries.length === 0 && told.length === 0) return null;
  return { ...known, tries, told, seen: 0, reported: false, correcting: null, held: false };
}

function fresh(difference: Difference, now: number): Known {
  return {
    difference,
    since: now,
    seen: 0,
    reported: false,
    told: [],
    tries: [],
    correcting: null,
    held: false,
  };
}

function findingOf(difference: Difference, { policy }: DriftPolicy): LedgerRecord["details"] {
  const { declared, observed, remedy } = difference;
  return { policy, diff: [...diffLines(declared, observed)], remedy: describeRemedy(remedy) };
}

/** A clock that was set back makes what is in the future count for longer, never for less. */
function recent(times: readonly number[], { withinMs }: DriftPolicy, now: number): readonly number[] {
  return times.filter((time) => now - time < withinMs);
}

function sameText(a: Difference, b: Difference): boolean {
  const text = ({ declared, observed }: Difference) => JSON.stringify([declared, observed]);
  return text(a) === text(b);
}

function elapsed(since: number, now: number): number {
  return Math.max(0, now - since);
}
