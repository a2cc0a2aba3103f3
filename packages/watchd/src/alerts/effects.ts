import type { AlertSeverity } from "@daruma/config";
import type { LedgerRecord } from "../policy/events.ts";
import { duration, exitText, sentence } from "./wording.ts";

/* What the entries that watchd and egressd write mean to a person who wants to be told. Pure, and one entry at a time. */

/** The part of an entry that is judged. */
export interface Heard {
  readonly action: string;
  readonly subject: string;
  readonly incident?: string | undefined;
  readonly run?: string | undefined;
  /** Unix time in milliseconds. */
  readonly at: number;
  readonly details: LedgerRecord["details"];
}

export type Effect =
  | {
      readonly type: "agent";
      readonly stage: "failing" | "escalated" | "unresolved";
      readonly agent: string;
      readonly title: string;
      readonly details: readonly string[];
    }
  | { readonly type: "agent-over"; readonly agent: string; readonly title: string }
  | {
      readonly type: "routine";
      readonly event: "success" | "failure" | "anomaly";
      readonly title: string;
      readonly details: readonly string[];
    }
  | {
      readonly type: "host";
      /** Names the condition on the host. */
      readonly name: string;
      readonly state: "open" | "over" | "event";
      readonly severity: AlertSeverity;
      readonly title: string;
      readonly details: readonly string[];
    };

export function effectsOf(entry: Heard): readonly Effect[] {
  const { subject: agent } = entry;
  const say = (key: string) => sentence(entry.details[key]);
  const failing = (what: string, ...details: readonly string[]) =>
    [
      { type: "agent", stage: "failing", agent, title: `${agent} ${what}`, details: filled(details) },
    ] as const;
  switch (entry.action) {
    case "agent.exit":
      return failing(`has ended: ${say("cause")}`, exitText(entry.details.exit));
    case "agent.unhealthy":
      return failing("is not healthy", say("reason"));
    case "agent.hang":
      return failing("hangs", `silent for ${duration(entry.details.silentMs)}`);
    case "agent.over-memory":
      return failing("uses more memory than it may", `${say("bytes")} of ${say("limitBytes")} bytes`);
    case "agent.start-failed":
      return failing("could not be started", say("message"));
    case "agent.start-lost":
      return failing("ended before its start was known");
    case "dependency.down":
      return failing(`waits for ${say("dependency")}`, say("reason"));
    case "recovery.escalate":
      return escalated(
        agent,
        `${agent} does not stay up; going back to an older generation`,
        lines(entry, "because"),
      );
    case "agent.hold":
      return unresolved(
        agent,
        `${agent} keeps failing and cannot be rolled back`,
        lines(entry, "noRollback"),
      );
    case "agent.give-up":
      return unresolved(agent, `${agent} says that its configuration is wrong`, lines(entry, "noRollback"));
    case "alert.raise":
      return unresolved(agent, say("message"), lines(entry, "why"));
    case "recovery.verified":
      return [{ type: "agent-over", agent, title: recovered(entry) }];
    case "agent.healthy":
      return [{ type: "agent-over", agent, title: `${agent} is healthy` }];
    case "agent.complete":
      return [{ type: "agent-over", agent, title: `${agent} has ended with success` }];
    case "agent.stopped-by-person":
      return [{ type: "agent-over", agent, title: `${agent} was stopped by a person` }];
    default:
      return [...routineEffects(entry), ...hostEffects(entry)];
  }
}

function routineEffects(entry: Heard): readonly Effect[] {
  const { subject, details } = entry;
  const say = (key: string) => sentence(details[key]);
  if (entry.action === "routine.anomaly") {
    const title = `${subject} has succeeded with an odd result: ${say("count")} is ${say("why")}`;
    return [
      { type: "routine", event: "anomaly", title, details: [`value ${say("value")}, bound ${say("bound")}`] },
    ];
  }
  if (entry.action !== "routine.finished") return [];
  const told = details.result === undefined ? [] : [`result: ${say("result")}`];
  if (details.outcome === "succeeded") {
    const title = `${subject} has succeeded after ${duration(details.tookMs)}`;
    return [{ type: "routine", event: "success", title, details: told }];
  }
  if (details.outcome !== "failed") return [];
  const why = filled([say("cause"), exitText(details.exit), say("message")]);
  const title = `${subject} has failed: ${say("why")}`;
  return [{ type: "routine", event: "failure", title, details: [...why, ...told] }];
}

function hostEffects(entry: Heard): readonly Effect[] {
  const say = (key: string) => sentence(entry.details[key]);
  const host = (
    name: string,
    state: "open" | "over" | "event",
    severity: AlertSeverity,
    title: string,
    details: readonly string[] = [],
  ): readonly Effect[] => [{ type: "host", name, state, severity, title, details }];
  switch (entry.action) {
    case "generation.rolled-back":
      return [
        ...host("rollback", "over", "critical", "a rollback has come about"),
        ...host("rolled-back", "event", "error", "the system was rolled back", [
          `to ${entry.subject}`,
          `from ${say("from")}`,
        ]),
      ];
    case "generation.rollback-failed":
      return host("rollback", "open", "critical", "a rollback has failed", lines(entry, "problems"));
    case "generation.rollback-abandoned":
      return host("rollback", "over", "critical", "somebody has switched meanwhile");
    case "generation.promotion-failed":
      return host("promotion", "open", "critical", "a generation could not be marked known-good", [
        entry.subject,
        ...lines(entry, "message"),
      ]);
    case "generation.known-good":
      return host("promotion", "over", "critical", `${entry.subject} is known-good`);
    case "generation.switch":
      return host("promotion", "over", "critical", "another generation is current");
    case "generation.damaged":
      return host("damaged", "event", "error", "a generation is damaged", [
        entry.subject,
        ...lines(entry, "problems"),
      ]);
    case "watchd.failed":
      return host("watchd", "event", "critical", "the watchdog could not stay up", lines(entry, "why"));
    case "ledger.away":
      return host("ledger", "open", "error", "the ledger takes no entries", ["they are kept until it does"]);
    case "ledger.back":
      return host("ledger", "over", "error", "the ledger takes entries again");
    case "egress.self-test":
      return selfTest(entry);
    default:
      return driftEffects(entry);
  }
}

function selfTest(entry: Heard): readonly Effect[] {
  const name = `egress/${entry.subject}`;
  const base = { type: "host", name, severity: "critical" } as const;
  if (entry.details.outcome === "open") {
    const title = `${entry.subject} can get past its proxy; agents behind the wall are stopped`;
    return [{ ...base, state: "open", title, details: lines(entry, "problems") }];
  }
  if (entry.details.outcome !== "passed") return [];
  return [{ ...base, state: "over", title: `${entry.subject} cannot get past its proxy`, details: [] }];
}

/** A thing that differs from its declaration. What is put right at once is told only where that does not help. */
function driftEffects(entry: Heard): readonly Effect[] {
  const { action, subject, details } = entry;
  const name = `drift/${subject}`.slice(0, 160);
  const open = (title: string, severity: AlertSeverity, about: readonly string[]) =>
    [{ type: "host", name, state: "open", severity, title, details: about }] as const;
  switch (action) {
    case "drift.found":
      return details.policy === "correct"
        ? []
        : open(`${subject} is not as declared`, "warning", lines(entry, "diff"));
    case "drift.correction-failed":
      return open(
        `${subject} is not as declared, and could not be put right`,
        "error",
        lines(entry, "problems"),
      );
    case "drift.hold":
      return open(`${subject} keeps differing from what is declared`, "error", lines(entry, "why"));
    case "drift.corrected":
    case "drift.gone": {
      const title = `${subject} is as declared again`;
      return [{ type: "host", name, state: "over", severity: "warning", title, details: [] }];
    }
    default:
      return [];
  }
}

function escalated(agent: string, title: string, details: readonly string[]): readonly Effect[] {
  return [{ type: "agent", stage: "escalated", agent, title, details }];
}

function unresolved(agent: string, title: string, details: readonly string[]): readonly Effect[] {
  return [{ type: "agent", stage: "unresolved", agent, title, details }];
}

function recovered({ subject, details }: Heard): string {
  const { restarts, verifiedAfterMs, rolledBack } = details;
  const times = restarts === 1 ? "1 restart" : `${sentence(restarts)} restarts`;
  const back = rolledBack === true ? " and a rollback" : "";
  return `${subject} is healthy again, after ${duration(verifiedAfterMs)}, ${times}${back}`;
}

function lines({ details }: Heard, key: string): readonly string[] {
  const value = details[key];
  return Array.isArray(value) ? filled(value.map(sentence)) : filled([sentence(value)]);
}

function filled(texts: readonly string[]): readonly string[] {
  return texts.filter((text) => text !== "");
}
