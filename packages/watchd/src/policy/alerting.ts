import type { AlertKind } from "./state.ts";
import { agentOf, patchAgent, record, type Turn } from "./turn.ts";

/** At most once of a kind per incident, and only for agents whose escalation asks for alerts. */
export function raiseAlert(
  turn: Turn,
  name: string,
  kind: AlertKind,
  message: string,
  why: readonly string[],
): void {
  const agent = agentOf(turn, name);
  if (agent === undefined || agent.incident?.alerts.includes(kind) === true) return;
  const { incident } = agent;
  if (incident !== null)
    patchAgent(turn, name, { incident: { ...incident, alerts: [...incident.alerts, kind] } });
  if (!agent.policy.escalate.includes("alert")) return;
  record(turn, {
    action: "alert.raise",
    subject: name,
    incident: agent.incident?.id,
    severity: "critical",
    details: { kind, message: `${name} ${message}`, why: [...why] },
  });
}
