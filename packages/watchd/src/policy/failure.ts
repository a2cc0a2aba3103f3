import type { JsonValue } from "@daruma/base";
import { backoffDelay, longestDelay, withinWindow } from "./backoff.ts";
import { decideRollback } from "./rollback.ts";
import { judgeRollback, restartsExhausted } from "./rollback-rules.ts";
import { beginStart } from "./start-stop.ts";
import type { AgentState, FailureCause, Incident } from "./state.ts";
import { agentOf, draw, freshId, patchAgent, record, type Turn } from "./turn.ts";

/** EX_TEMPFAIL of sysexits(3): the agent says that the fault is not its own. */
export const temporaryFailure = 75;

export interface Failure {
  readonly cause: FailureCause;
  /** Ledger action that tells it. */
  readonly action: string;
  readonly run: string | undefined;
  readonly details: { readonly [key: string]: JsonValue };
}

/** Books a failure; what to do about it is decided by `recover` once nothing of the run is left. */
export function bookFailure(turn: Turn, name: string, failure: Failure): void {
  const agent = agentOf(turn, name);
  if (agent === undefined) return;
  const incident = agent.incident ?? openIncident(turn, failure.cause);
  const external = failure.cause === "dependency";
  const { mono } = turn.now;
  patchAgent(turn, name, {
    incident,
    externalFaults: external ? agent.externalFaults + 1 : 0,
    failures: external
      ? agent.failures
      : [...withinWindow(agent.failures, agent.policy.restart, mono), mono].slice(
          -agent.policy.restart.attempts,
        ),
    failuresInGeneration: agent.failuresInGeneration + (external ? 0 : 1),
  });
  record(turn, {
    action: failure.action,
    subject: name,
    incident: incident.id,
    run: failure.run,
    severity: "warning",
    details: { cause: failure.cause, ...failure.details },
  });
}

function openIncident(turn: Turn, cause: FailureCause): Incident {
  return {
    id: freshId(turn, "inc"),
    since: turn.now,
    sinceTurn: turn.state.turn,
    cause,
    restarts: 0,
    rolledBack: false,
    alerted: false,
  };
}

/** Nothing of the failed run is left: restart, escalate, or hold. */
export function recover(turn: Turn, name: string): void {
  const agent = agentOf(turn, name);
  if (agent === undefined) return;
  if (turn.state.draining) {
    patchAgent(turn, name, { phase: "stopped", restartAt: null });
    return;
  }
  if (agent.policy.restart.when === "never") {
    patchAgent(turn, name, { phase: "failed", restartAt: null });
    raiseAlert(turn, name, "failed, and its restart policy is never", []);
    return;
  }
  if (agent.externalFaults > 0) {
    raiseAlert(turn, name, "waits for something outside; restarting with backoff, without rollback", []);
    scheduleRestart(turn, name, backoffDelay(agent.policy.restart.backoff, agent.externalFaults, draw(turn)));
    return;
  }
  if (agent.held || restartsExhausted(agent, turn.now).holds) {
    escalate(turn, name, agent);
    return;
  }
  const recent = withinWindow(agent.failures, agent.policy.restart, turn.now.mono).length;
  scheduleRestart(turn, name, backoffDelay(agent.policy.restart.backoff, recent, draw(turn)));
}

function escalate(turn: Turn, name: string, agent: AgentState): void {
  const judgement = judgeRollback(turn.state, name, turn.now);
  const broken = judgement.rules.filter((rule) => !rule.holds).map((rule) => `${rule.rule}: ${rule.why}`);
  const wanted = agent.policy.escalate.includes("rollback");
  if (wanted && judgement.target !== null) {
    record(turn, {
      action: "recovery.escalate",
      subject: name,
      incident: agent.incident?.id,
      severity: "critical",
      details: { to: "rollback", because: judgement.rules.map((rule) => `${rule.rule}: ${rule.why}`) },
    });
    decideRollback(turn, name, judgement.target);
    return;
  }
  hold(turn, name, wanted ? broken : ["the agent's escalation does not include rollback"]);
}

/** Nothing is eligible: go on trying at the longest backoff, and say so as loudly as there is. */
export function hold(turn: Turn, name: string, why: readonly string[]): void {
  const agent = agentOf(turn, name);
  if (agent === undefined) return;
  if (!agent.held || agent.incident?.alerted !== true) {
    record(turn, {
      action: "agent.hold",
      subject: name,
      incident: agent.incident?.id,
      severity: "critical",
      details: { noRollback: [...why] },
    });
  }
  patchAgent(turn, name, { held: true });
  raiseAlert(
    turn,
    name,
    "keeps failing and cannot be rolled back; it is tried again at the longest backoff",
    why,
  );
  scheduleRestart(turn, name, longestDelay(agent.policy.restart.backoff, draw(turn)));
}

/** At most once per incident, and only for agents whose escalation asks for alerts. */
export function raiseAlert(turn: Turn, name: string, message: string, why: readonly string[]): void {
  const agent = agentOf(turn, name);
  if (agent === undefined || agent.incident?.alerted === true) return;
  if (agent.incident !== null) patchAgent(turn, name, { incident: { ...agent.incident, alerted: true } });
  if (!agent.policy.escalate.includes("alert")) return;
  record(turn, {
    action: "alert.raise",
    subject: name,
    incident: agent.incident?.id,
    severity: "critical",
    details: { message: `${name} ${message}`, why: [...why] },
  });
}

function scheduleRestart(turn: Turn, name: string, delayMs: number): void {
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
