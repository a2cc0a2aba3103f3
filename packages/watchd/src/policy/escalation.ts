import type { JsonValue } from "@daruma/base";
import type { KnownGood } from "../ports.ts";
import { raiseAlert } from "./alerting.ts";
import { backoffDelay, longestDelay, withinWindow } from "./backoff.ts";
import { decideRollback } from "./rollback.ts";
import type { RollbackJudgement } from "./rollback-rules.ts";
import { declaredPolicy, fallbackPolicy, putOn } from "./stand-in.ts";
import { beginStart } from "./start-stop.ts";
import { inWords, judgeTiers, recorded, recordedTiers, type TierJudgement } from "./tiers.ts";
import { agentOf, draw, freshId, patchAgent, record, type Turn } from "./turn.ts";

type Details = { readonly [key: string]: JsonValue };

/** Restarting has not helped: the first tier of its policy whose rules all hold, or else hold. */
export function escalate(turn: Turn, name: string): void {
  const agent = agentOf(turn, name);
  if (agent === undefined) return;
  const tiers = judgeTiers(turn.state, name, turn.now);
  const chosen = tiers.find(({ target }) => target !== null);
  if (chosen?.target == null) {
    const [whole, ...others] = tiers.toSorted(
      (a, b) => Number(b.to === "rollback") - Number(a.to === "rollback"),
    );
    stay(turn, name, broken(whole), whole ?? null, others);
    return;
  }
  const { to, target, rules } = chosen;
  const skipped = tiers.slice(0, tiers.indexOf(chosen));
  record(turn, {
    action: "recovery.escalate",
    subject: name,
    incident: agent.incident?.id,
    severity: "critical",
    details: {
      to,
      because: rules.map(inWords),
      judgement: recorded(chosen),
      ...(skipped.length === 0 ? {} : { others: recordedTiers(skipped) }),
    },
  });
  if (to === "rollback") decideRollback(turn, name, target);
  else if (to === "rollback-agent") seekEarlier(turn, name, target);
  else wearFallback(turn, name);
}

function broken(judgement: RollbackJudgement | undefined): readonly string[] {
  return judgement?.rules.filter((rule) => !rule.holds).map(inWords) ?? [];
}

function wearFallback(turn: Turn, name: string): void {
  const { generation } = turn.state;
  const agent = agentOf(turn, name);
  if (agent === undefined || generation === null) throw new Error(`${name} has nothing to fall back to`);
  const { path, number } = generation;
  const policy = fallbackPolicy(declaredPolicy(agent));
  startAnew(turn, name, { kind: "fallback", generation: path, number, policy });
}

/** Puts other settings in force for an agent that is down; its start is as far off as that of the old ones would be. */
export function startAnew(turn: Turn, name: string, settings: Parameters<typeof putOn>[2]): void {
  const agent = agentOf(turn, name);
  if (agent === undefined) return;
  const { restart } = agent.policy;
  const recent = withinWindow(agent.failures, restart, turn.now.mono).length;
  putOn(turn, name, settings);
  scheduleRestart(turn, name, backoffDelay(restart.backoff, recent, draw(turn)));
}

/** Where the old settings are and whether they are whole is found out first; until then the agent is down. */
function seekEarlier(turn: Turn, name: string, target: Pick<KnownGood, "path" | "number">): void {
  const goingBack = { id: freshId(turn, "ar"), generation: target.path, number: target.number };
  patchAgent(turn, name, { phase: "backoff", restartAt: null, goingBack });
  orderEarlier(turn, name);
}

/** Asks for the earlier settings that an agent waits for: for the first time, or again because nobody heard the answer. */
export function orderEarlier(turn: Turn, name: string): void {
  const goingBack = agentOf(turn, name)?.goingBack;
  if (goingBack == null) return;
  const { id, generation } = goingBack;
  turn.commands.push({ type: "find-earlier", agent: name, id, generation });
}

/** No rollback, or none that came about. */
export function stay(
  turn: Turn,
  name: string,
  why: readonly string[],
  judgement: RollbackJudgement | null = null,
  others: readonly TierJudgement[] = [],
): void {
  const told = refusal(why, judgement, others);
  if (agentOf(turn, name)?.misconfigured === true) giveUp(turn, name, why, told);
  else hold(turn, name, why, told);
}

/** It says itself that to start it again would change nothing. That is left to a switch, or to a person. */
function giveUp(turn: Turn, name: string, why: readonly string[], details: Details): void {
  const agent = patchAgent(turn, name, { phase: "failed", restartAt: null, held: false });
  record(turn, {
    action: "agent.give-up",
    subject: name,
    incident: agent.incident?.id,
    severity: "critical",
    details,
  });
  raiseAlert(
    turn,
    name,
    "failed",
    "says that its configuration is wrong; it is left alone until the next deploy or `agentctl start`",
    why,
  );
}

function refusal(
  why: readonly string[],
  judgement: RollbackJudgement | null,
  others: readonly TierJudgement[],
): Details {
  return {
    noRollback: [...why],
    ...(judgement === null ? {} : { judgement: recorded(judgement) }),
    ...(others.length === 0 ? {} : { others: recordedTiers(others) }),
  };
}

/** Nothing is eligible: go on trying at the longest backoff, and say so as loudly as there is. */
function hold(turn: Turn, name: string, why: readonly string[], details: Details): void {
  const agent = agentOf(turn, name);
  if (agent === undefined) return;
  if (!agent.held || agent.incident?.alerts.includes("held") !== true) {
    record(turn, {
      action: "agent.hold",
      subject: name,
      incident: agent.incident?.id,
      severity: "critical",
      details,
    });
  }
  patchAgent(turn, name, { held: true });
  raiseAlert(
    turn,
    name,
    "held",
    "keeps failing and cannot be rolled back; it is tried again at the longest backoff",
    why,
  );
  tryLater(turn, name);
}

/** At the longest backoff: its attempts are used up. */
export function tryLater(turn: Turn, name: string): void {
  const agent = agentOf(turn, name);
  if (agent !== undefined)
    scheduleRestart(turn, name, longestDelay(agent.policy.restart.backoff, draw(turn)));
}

/** Its next start, `delayMs` from now. */
export function scheduleRestart(turn: Turn, name: string, delayMs: number): void {
  const agent = agentOf(turn, name);
  if (agent?.incident == null) throw new Error(`${name} restarts without an incident`);
  const incident = { ...agent.incident, restarts: agent.incident.restarts + 1 };
  patchAgent(turn, name, { incident });
  record(turn, {
    action: "agent.restart",
    subject: name,
    incident: incident.id,
    details: { restart: incident.restarts, delayMs, held: agent.held },
  });
  if (delayMs === 0) beginStart(turn, name);
  else patchAgent(turn, name, { phase: "backoff", restartAt: turn.now.mono + delayMs });
}
