import type { AlertSeverity } from "@daruma/config";
import { type Effect, effectsOf, type Heard } from "./effects.ts";
import type { Notice } from "./notice.ts";
import { rank } from "./quiet.ts";
import { admit, announceEnd } from "./route.ts";
import type { Condition, Draft } from "./state.ts";

/* From what entries mean to conditions that begin, grow worse and end, and to whom that is told. */

type AgentEffect = Extract<Effect, { type: "agent" }>;

const stageSeverity: Readonly<Record<Condition["stage"], AlertSeverity>> = {
  failing: "warning",
  escalated: "error",
  unresolved: "critical",
};

/** An agent that is said to fail, and that has begun to only just now, may have more to be heard of. */
const settledAfterMs = 30_000;

/** Judges entries of one source that were written together. */
export function hear(draft: Draft, entries: readonly Heard[]): void {
  const odd = new Set(entries.filter(({ action }) => action === "routine.anomaly").map(({ run }) => run));
  for (const entry of entries) {
    for (const effect of effectsOf(entry)) {
      if (effect.type === "agent") onAgent(draft, effect, entry);
      else if (effect.type === "agent-over")
        over(draft, agentKey(draft, effect.agent), effect.title, entry.at);
      else if (effect.type === "routine") onRoutine(draft, effect, entry, odd);
      else onHost(draft, effect, entry);
    }
  }
}

/** Opens what has lasted too long, and ends what is about agents that nobody has any more. */
export function review(draft: Draft): void {
  const { alerts } = draft.setting;
  for (const condition of Object.values(draft.state.conditions)) {
    if (condition.about.kind !== "agent") continue;
    const policy = alerts?.agents[condition.about.name];
    if (policy === undefined)
      over(draft, condition.key, `${condition.about.name} is no longer declared`, draft.now);
    else if (condition.stage !== "unresolved" && draft.now >= dueAt(condition, policy.afterMs)) {
      const title = `${condition.about.name} has not recovered for ${Math.round((draft.now - condition.since) / 1000)} s`;
      worsen(draft, {
        ...condition,
        stage: "unresolved",
        title,
        details: [condition.title, ...condition.details],
      });
    }
  }
}

/** When a failure counts as unresolved, if it is not over before. */
export function dueAt(condition: Condition, afterMs: number): number {
  return condition.since + afterMs;
}

/**
 * Ends what the policy knows nothing of any more: an end that was in no entry, as when a person has stopped and started the agent.
 *
 * @param incidents of the agents that fail now, by their names
 */
export function compare(draft: Draft, incidents: Readonly<Record<string, string>>): void {
  for (const { about, incident, key, since } of Object.values(draft.state.conditions)) {
    if (about.kind !== "agent" || incident === null || draft.now - since < settledAfterMs) continue;
    if (incidents[about.name] !== incident) over(draft, key, `${about.name} is no longer failing`, draft.now);
  }
}

function onAgent(draft: Draft, effect: AgentEffect, entry: Heard): void {
  const policy = draft.setting.alerts?.agents[effect.agent];
  if (policy === undefined || policy.on === "never") return;
  const key = agentKey(draft, effect.agent);
  const known = draft.get("conditions", key);
  const incident = entry.incident ?? known?.incident ?? null;
  // Another incident has begun, and the end of the last one was in no entry.
  const before = known?.incident === incident || known?.incident === null ? known : undefined;
  if (before !== undefined && rank(stageSeverity[before.stage]) > rank(stageSeverity[effect.stage])) return;
  const isNew = before === undefined || before.stage !== effect.stage;
  if (!isNew && effect.stage === "failing") return;
  worsen(draft, {
    key,
    about: { kind: "agent", name: effect.agent },
    stage: effect.stage,
    isOpen: known?.isOpen ?? false,
    severity: stageSeverity[effect.stage],
    title: effect.title,
    details: effect.details,
    incident,
    run: null,
    since: before?.since ?? entry.at,
  });
}

/** Keeps it as it is now, and tells of it if it has become bad enough. Each stage is told once. */
function worsen(draft: Draft, condition: Condition): void {
  const { alerts } = draft.setting;
  const policy = alerts?.agents[condition.about.name];
  const known = draft.get("conditions", condition.key);
  const least =
    policy?.on === "recovery" ? "failing" : policy?.on === "escalation" ? "escalated" : "unresolved";
  const isTold = rank(stageSeverity[condition.stage]) >= rank(stageSeverity[least]);
  const isSame =
    known?.isOpen === true && known.stage === condition.stage && known.incident === condition.incident;
  const next: Condition = {
    ...condition,
    severity: stageSeverity[condition.stage],
    isOpen: condition.isOpen || isTold,
  };
  draft.set("conditions", condition.key, next);
  if (isTold && !isSame) tell(draft, next, policy?.to ?? []);
}

function onRoutine(
  draft: Draft,
  effect: Extract<Effect, { type: "routine" }>,
  entry: Heard,
  odd: ReadonlySet<string | undefined>,
): void {
  const name = entry.subject;
  const policy = draft.setting.alerts?.routines[name];
  const key = (event: string) => `${draft.setting.host}/routine/${name}/${event}`;
  if (effect.event === "success") {
    over(draft, key("failure"), effect.title, entry.at);
    if (!odd.has(entry.run)) over(draft, key("anomaly"), effect.title, entry.at, entry.run);
  }
  if (policy === undefined || !policy.on.includes(effect.event)) return;
  const base = {
    about: { kind: "routine", name },
    title: effect.title,
    details: effect.details,
    incident: null,
  } as const;
  if (effect.event === "success") {
    const notice = {
      ...base,
      key: key("success"),
      state: "event",
      severity: "info",
      at: entry.at,
      times: 1,
    } as const;
    for (const sink of policy.to) admit(draft, sink, notice);
    return;
  }
  const severity = effect.event === "failure" ? "error" : "warning";
  const condition: Condition = {
    ...base,
    key: key(effect.event),
    stage: "unresolved",
    isOpen: true,
    severity,
    run: entry.run ?? null,
    since: entry.at,
  };
  draft.set("conditions", condition.key, condition);
  tell(draft, condition, policy.to);
}

function onHost(draft: Draft, effect: Extract<Effect, { type: "host" }>, entry: Heard): void {
  const { host, alerts } = draft.setting;
  const key = `${host}/${effect.name}`;
  if (effect.state === "over") {
    over(draft, key, effect.title, entry.at);
    return;
  }
  const { severity, title, details } = effect;
  const base = {
    key,
    about: { kind: "host", name: host },
    severity,
    title,
    details,
    incident: entry.incident ?? null,
  } as const;
  if (effect.state === "event") {
    const notice = { ...base, state: "event", at: entry.at, times: 1 } as const;
    for (const sink of alerts?.to ?? []) admit(draft, sink, notice);
    return;
  }
  if (draft.get("conditions", key) !== undefined) return;
  const condition: Condition = { ...base, stage: "unresolved", isOpen: true, run: null, since: entry.at };
  draft.set("conditions", key, condition);
  tell(draft, condition, alerts?.to ?? []);
}

function tell(draft: Draft, condition: Condition, sinks: readonly string[]): void {
  const { key, about, severity, title, details, incident } = condition;
  const notice: Notice = {
    key,
    state: "open",
    severity,
    title,
    details,
    about,
    incident,
    at: draft.now,
    times: 1,
  };
  for (const sink of sinks) admit(draft, sink, notice);
}

/** @param besides the run that does not end what it has brought about itself */
function over(draft: Draft, key: string, title: string, at: number, besides?: string): void {
  const condition = draft.get("conditions", key);
  if (condition === undefined || (besides !== undefined && condition.run === besides)) return;
  draft.set("conditions", key, null);
  if (!condition.isOpen) return;
  const { about, severity, incident } = condition;
  announceEnd(draft, { key, state: "over", severity, title, details: [], about, incident, at, times: 1 });
}

function agentKey(draft: Draft, agent: string): string {
  return `${draft.setting.host}/agent/${agent}`;
}
