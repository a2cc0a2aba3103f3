import type { KnownGood } from "../ports.ts";
import type { LedgerRecord, Severity } from "./events.ts";
import { declaredPolicy } from "./stand-in.ts";
import type { Quarantined, Rollback } from "./state.ts";
import { agentOf, freshId, patch, patchAgent, record, type Turn } from "./turn.ts";

/** A switch that fails for a reason that may pass is tried once more, so many milliseconds later. */
export const maxAttempts = 2;
const retryAfterMs = 5_000;

/** Takes the whole system back because `name` keeps failing. The intent is durable before anything moves. */
export function decideRollback(turn: Turn, name: string, target: Pick<KnownGood, "path" | "number">): void {
  const generation = turn.state.generation;
  const agent = agentOf(turn, name);
  if (generation === null || agent?.incident == null)
    throw new Error("a rollback needs a generation and an incident");
  patch(turn, {
    spentBudget: {
      ...turn.state.spentBudget,
      [generation.path]: (turn.state.spentBudget[generation.path] ?? 0) + 1,
    },
  });
  patchAgent(turn, name, {
    phase: "backoff",
    restartAt: null,
    incident: { ...agent.incident, rolledBack: true },
  });
  beginRollback(turn, { by: "watchd", agent: name, incident: agent.incident.id, target });
}

export function beginRollback(
  turn: Turn,
  order: {
    readonly by: Rollback["by"];
    readonly agent: string | null;
    readonly incident: string | null;
    readonly target: Pick<KnownGood, "path" | "number">;
  },
): void {
  const generation = turn.state.generation;
  if (generation === null) throw new Error("there is nothing to roll back from");
  const rollback: Rollback = {
    id: freshId(turn, "rb"),
    by: order.by,
    from: generation.path,
    target: order.target.path,
    targetNumber: order.target.number,
    agent: order.agent,
    incident: order.incident,
    decided: turn.now,
    attempts: 1,
  };
  patch(turn, { rollback, awaitsBoot: null });
  orderRollback(turn, rollback);
}

/**
 * Asks for the switch, for the first time or again; before the first survey only the intent is noted.
 *
 * @param problems of the attempt before
 */
export function orderRollback(turn: Turn, rollback: Rollback, problems: readonly string[] = []): void {
  const { id, from, target } = rollback;
  if (turn.state.surveyed) turn.commands.push({ type: "rollback", id, from, target });
  record(turn, {
    action: "generation.rollback",
    subject: target,
    incident: rollback.incident ?? undefined,
    severity: rollback.by === "operator" ? "warning" : "critical",
    details: {
      rollback: id,
      by: rollback.by,
      from,
      fromNumber: turn.state.generation?.number ?? null,
      toNumber: rollback.targetNumber,
      agent: rollback.agent,
      attempt: rollback.attempts,
      ...(problems.length === 0 ? {} : { problems: [...problems] }),
    },
  });
}

export function retryLater(turn: Turn, rollback: Rollback, problems: readonly string[]): void {
  patch(turn, { rollback: { ...rollback, retry: { at: turn.now.mono + retryAfterMs, problems } } });
}

export function retryRollback(turn: Turn): void {
  const { rollback } = turn.state;
  if (rollback?.retry === undefined || rollback.retry.at > turn.now.mono) return;
  const again = underWay({ ...rollback, attempts: rollback.attempts + 1 });
  patch(turn, { rollback: again });
  orderRollback(turn, again, rollback.retry.problems);
}

/** Its next attempt is no longer waited for: it is due, or watchd has come up and tries as soon as it has looked around. */
export function underWay({ retry: _, ...rollback }: Rollback): Rollback {
  return rollback;
}

/** The target is current: seen from the facts, so it holds after a crash in mid-switch too. */
export function completeRollback(turn: Turn, rollback: Rollback): void {
  const tookMs = Math.max(0, turn.now.mono - rollback.decided.mono);
  endRollback(turn, rollback, "generation.rolled-back", "warning", { from: rollback.from, tookMs });
  quarantineLeft(turn, rollback);
}

/** What a switch could not do, a reboot has done: the machine has come up in the target. Any other end makes it void. */
export function settleBoot(turn: Turn, current: string): void {
  const { awaitsBoot, bootId, generation } = turn.state;
  if (awaitsBoot === null) return;
  const { from, target, decided } = awaitsBoot;
  const rebooted = awaitsBoot.bootId !== bootId;
  if (!rebooted && current === from) return;
  patch(turn, { awaitsBoot: null });
  if (!rebooted || generation?.path !== from || current !== target) return;
  const tookMs = Math.max(0, turn.now.wall - decided.wall);
  endRollback(turn, awaitsBoot, "generation.rolled-back", "warning", { from, tookMs, by: "reboot" });
  quarantineLeft(turn, awaitsBoot);
}

function quarantineLeft(turn: Turn, rollback: Rollback): void {
  const from = turn.state.generation;
  if (rollback.by === "operator" || rollback.agent === null) return;
  const agent = agentOf(turn, rollback.agent);
  quarantine(turn, {
    path: rollback.from,
    number: from?.number ?? 0,
    agent: rollback.agent,
    digest: agent === undefined ? "" : declaredPolicy(agent).digest,
    incident: rollback.incident ?? "",
  });
}

/** The generation is not trusted again, nor is this definition of the agent in another one, until a person vouches for it. */
export function quarantine(turn: Turn, entry: Omit<Quarantined, "at">): void {
  const { path, agent, digest, incident } = entry;
  patch(turn, {
    quarantine: [
      ...turn.state.quarantine.filter((each) => each.path !== path),
      { ...entry, at: turn.now.wall },
    ],
  });
  record(turn, {
    action: "generation.quarantine",
    subject: path,
    incident: incident === "" ? undefined : incident,
    severity: "warning",
    details: { agent, digest },
  });
}

/** The switch did not come about. */
export function failRollback(turn: Turn, rollback: Rollback, problems: readonly string[]): void {
  const details = { problems: [...problems], stillOn: rollback.from };
  endRollback(turn, rollback, "generation.rollback-failed", "critical", details);
}

/** It was tried as often as it may be. What boots next may be the target nevertheless. */
export function giveUpRollback(turn: Turn, rollback: Rollback, problems: readonly string[]): void {
  failRollback(turn, rollback, problems);
  patch(turn, { awaitsBoot: { ...rollback, bootId: turn.state.bootId } });
}

/** Somebody switched while the rollback was on its way: their word counts. */
export function abandonRollback(turn: Turn, rollback: Rollback, why: string): void {
  endRollback(turn, rollback, "generation.rollback-abandoned", "warning", { why });
}

/** However it ended: nothing is under way any more, and the ledger says how. */
function endRollback(
  turn: Turn,
  rollback: Rollback,
  action: string,
  severity: Severity,
  details: LedgerRecord["details"],
): void {
  patch(turn, { rollback: null });
  record(turn, {
    action,
    subject: rollback.target,
    incident: rollback.incident ?? undefined,
    severity,
    details: { rollback: rollback.id, ...details },
  });
}
