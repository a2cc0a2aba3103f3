import type { KnownGood } from "../ports.ts";
import { isUnsteady } from "./flapping.ts";
import type { AgentState, State } from "./state.ts";
import { patch, record, type Turn } from "./turn.ts";

/** Whether the agent holds the probation up: it is required and is not proving itself right now. */
function holdsUp(agent: AgentState): boolean {
  const { declared, policy, phase, waitsFor, standIn } = agent;
  if (!declared || !policy.required) return false;
  // That it is well with other settings says nothing good about those of the generation.
  if (standIn !== null) return true;
  if (phase === "healthy" && isUnsteady(agent)) return true;
  return waitsFor !== null || (phase !== "healthy" && phase !== "completed");
}

/** The agents that keep the probation of this generation from running. */
export function heldUpBy({ agents }: State): readonly string[] {
  return Object.entries(agents).flatMap(([name, agent]) => (holdsUp(agent) ? [name] : []));
}

export function onLedger(turn: Turn, reachable: boolean): void {
  if (turn.state.ledgerAway === reachable) patch(turn, { ledgerAway: !reachable });
}

/** Nobody has seen that everything is alive: what has lasted until now proves nothing. */
export function onUnseen(turn: Turn): void {
  patch(turn, { provenSince: null });
}

/** Keeps `provenSince`; called after every event, so that no lapse however short goes by unseen. */
export function watchProbation(turn: Turn): void {
  const { state } = turn;
  const proven =
    state.surveyed &&
    state.generation !== null &&
    !state.draining &&
    !state.ledgerAway &&
    !Object.values(state.agents).some(holdsUp);
  if (proven && state.provenSince === null) patch(turn, { provenSince: turn.now.mono });
  else if (!proven && state.provenSince !== null) patch(turn, { provenSince: null });
}

/** Whether what runs is known-good, and every required agent has been healthy at once since this boot. */
export function isProvenBoot({ generation, provenSince, knownGood }: State): boolean {
  return provenSince !== null && knownGood.some(({ path }) => path === generation?.path);
}

/** Monotonic instant at which probation ends if nothing happens; null while it does not run or is over. */
export function probationEnds(state: State): number | null {
  if (state.generation === null || state.provenSince === null || state.promotion !== "pending") return null;
  return state.provenSince + state.generation.watchdog.probationMs;
}

export function endProbation(turn: Turn): void {
  const ends = probationEnds(turn.state);
  if (ends === null || ends > turn.now.mono || turn.state.generation === null || turn.state.rollback !== null)
    return;
  patch(turn, { promotion: "verifying" });
  turn.commands.push({ type: "verify-closure", path: turn.state.generation.path });
}

export function onClosureVerified(turn: Turn, path: string, problems: readonly string[]): void {
  const { generation, provenSince, promotion, rollback } = turn.state;
  if (generation?.path !== path || promotion !== "verifying") return;
  if (problems.length > 0) {
    patch(turn, { promotion: "done" });
    record(turn, {
      action: "generation.damaged",
      subject: path,
      severity: "critical",
      details: {
        problems: [...problems],
        note: `it cannot become known-good until it is repaired and allowed (agentctl generations allow ${generation.number})`,
      },
    });
  } else if (
    provenSince === null ||
    provenSince + generation.watchdog.probationMs > turn.now.mono ||
    rollback !== null
  ) {
    // There was a lapse while the closure was being read.
    patch(turn, { promotion: "pending" });
  } else {
    // What is done next waits until the ledger has this.
    record(turn, { action: "generation.promote", subject: path, details: { number: generation.number } });
    turn.commands.push({ type: "promote", path, promotedAt: promotionTime(turn) });
  }
}

/** Later than every promotion before it, even if the wall clock was set back. */
function promotionTime(turn: Turn): number {
  return turn.state.knownGood.reduce((time, good) => Math.max(time, good.promotedAt + 1), turn.now.wall);
}

export function onPromoted(turn: Turn, path: string, knownGood: readonly KnownGood[]): void {
  patch(turn, { knownGood, rejected: turn.state.rejected.filter((rejected) => rejected !== path) });
  if (turn.state.generation?.path !== path) return;
  const { awaitsBoot } = turn.state;
  patch(turn, {
    promotion: "done",
    promotionFailures: 0,
    // It has proven itself since it was to be left.
    awaitsBoot: awaitsBoot?.from === path ? null : awaitsBoot,
  });
  record(turn, {
    action: "generation.known-good",
    subject: path,
    details: {
      number: turn.state.generation.number,
      probationMs: turn.state.generation.watchdog.probationMs,
    },
  });
}

/** Milliseconds after which a promotion that could not be written is tried again; twice as many each time, up to the longest. */
const promoteAgainMs = 5_000;
const promoteAgainAtMostMs = 600_000;

/** A closure that was found damaged is read again: it may have been repaired. */
export function judgedAnew({ promotion, generation, knownGood }: State): State["promotion"] {
  const isGood = knownGood.some(({ path }) => path === generation?.path);
  return promotion === "done" && isGood ? "done" : "pending";
}

/** Its files could not be read, or the mark could not be written. Neither says anything bad about it. */
export function onPromotionFailed(turn: Turn, path: string, message: string): void {
  record(turn, {
    action: "generation.promotion-failed",
    subject: path,
    severity: "critical",
    details: { message },
  });
  const { generation, provenSince, promotion } = turn.state;
  if (generation?.path !== path || promotion !== "verifying") return;
  const { promotionFailures } = turn.state;
  const inMs = Math.min(promoteAgainMs * 2 ** promotionFailures, promoteAgainAtMostMs);
  const again = turn.now.mono - generation.watchdog.probationMs + inMs;
  patch(turn, {
    promotion: "pending",
    promotionFailures: promotionFailures + 1,
    // Never earlier than it was: a lapse since then has begun the probation anew.
    provenSince: provenSince === null ? null : Math.max(provenSince, again),
  });
}
