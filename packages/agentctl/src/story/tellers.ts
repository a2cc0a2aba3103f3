import type { Entry } from "@daruma/ledger";
import { driftTellers } from "./drift-tellers.ts";
import { resourceTellers } from "./resource-tellers.ts";
import { routineTellers } from "./routine-tellers.ts";
import { field, list, ms, text } from "./words.ts";

type Details = Entry["details"];

/*
 * What each action of the ledger says to a person. The fields are those that watchd and agentctl write; of an older or
 * newer release they may be missing, so nothing here relies on them.
 */

export interface Telling {
  readonly text: string;
  /** Good news are worth a colour of their own. */
  readonly good?: boolean;
}

type Teller = (details: Details, entry: Entry) => string;

const good: ReadonlySet<string> = new Set([
  "agent.healthy",
  "agent.complete",
  "recovery.verified",
  "generation.known-good",
  "generation.rolled-back",
  "dependency.up",
  "drift.corrected",
  "drift.gone",
]);

const tellers: Readonly<Record<string, Teller>> = {
  "agent.start": () => "starting",
  "agent.healthy": (d) => `healthy after ${ms(d.afterMs)}`,
  "agent.exit": (d) => `${exitText(d)} after ${ms(d.uptimeMs)}${putDownTo(d)}`,
  "agent.complete": (d) => `completed after ${ms(d.uptimeMs)}`,
  "agent.unhealthy": (d) =>
    `${d.becameHealthy === false ? "did not become healthy" : "is unhealthy"}: ${text(d.reason)}${putDownTo(d)}`,
  "agent.hang": (d) =>
    `hangs: it has ${d.heardBefore === false ? "never said that it gets on" : `not been heard of for ${ms(d.silentMs)}`}${putDownTo(d)}`,
  "agent.restart-asked": () => "asks for its own restart",
  "agent.start-failed": (d) => `could not be started: ${text(d.message)} (${text(d.code)})`,
  "agent.start-lost": () => "ended before its start was known",
  "agent.stop": (d) => `stopping with ${text(d.signal)}: ${text(d.why)}`,
  "agent.stopped": (d) => (d.forced === true ? "stopped by SIGKILL: it did not end in time" : "stopped"),
  "agent.stop-request": () => "stop asked for",
  "agent.start-request": () => "start asked for",
  "agent.stopped-by-person": () => "stopped by a person, until a person starts it",
  "agent.stopped-outside": (d) => `was stopped through systemd after ${ms(d.uptimeMs)}`,
  "agent.released": () => "may run again",
  "agent.stop-failed": (d) => `could not be stopped: ${text(d.message)}`,
  "agent.adopt": (d) => `adopted as process ${text(d.pid)}`,
  "agent.restart": (d) => `restart ${text(d.restart)} ${d.delayMs === 0 ? "now" : `in ${ms(d.delayMs)}`}`,
  "agent.hold": (d) => `is held back: ${list(d.noRollback)}`,
  "agent.give-up": (d) => `says that its configuration is wrong, and is left alone: ${list(d.noRollback)}`,
  "agent.stand-in": (d) =>
    d.kind === "fallback"
      ? "goes on with its fallback settings"
      : `goes back alone, to what ${typeof d.number === "number" ? `generation ${d.number}` : text(d.generation)} has of it`,
  "agent.stand-in-refused": (d) => `cannot go back alone: ${list(d.problems)}`,
  "agent.stand-in-over": (d) =>
    `runs with what its generation declares again: ${d.why === "deploy" ? "it has been deployed anew" : "a person vouches for it"}`,
  "recovery.verified": recovered,
  "recovery.escalate": (d) => `restarting does not help: ${text(d.to)}`,
  "generation.deploy": (d) =>
    `deploying ${d.fromNumber === null ? "the first generation" : "another generation"}`,
  "generation.switch": switched,
  "generation.promote": (d) => `generation ${text(d.number)} has lasted through its probation`,
  "generation.known-good": (d) => `generation ${text(d.number)} is known-good`,
  "generation.rollback-request": (d) => `rollback to generation ${text(d.number)} asked for`,
  "generation.rollback": (d) =>
    `rolling back from generation ${text(d.fromNumber)} to ${text(d.toNumber)}, ${
      typeof d.agent === "string" ? `because of ${d.agent}` : `asked for by ${text(d.by)}`
    }`,
  "generation.rolled-back": (d) => `rolled back in ${ms(d.tookMs)}`,
  "generation.rollback-failed": (d) => `the rollback failed: ${list(d.problems)}`,
  "generation.rollback-abandoned": (d) => `the rollback was abandoned: ${text(d.why)}`,
  "generation.quarantine": (d, entry) => `${place(entry)} is quarantined because of ${text(d.agent)}`,
  "generation.allow": (_, entry) => `${place(entry)} may be deployed again`,
  "generation.damaged": (d) => `its files are damaged: ${list(d.problems)}`,
  "generation.promotion-failed": (d) => `could not be marked known-good: ${text(d.message)}`,
  "dependency.down": (d) => `waits for ${text(d.dependency)}: ${text(d.reason)}`,
  "dependency.up": (d) => `${text(d.dependency)} is back`,
  "alert.raise": (d) => `ALERT: ${text(d.message)}`,
  "alert.sent": (d) => `took ${text(d.message)}: ${text(d.title)}`,
  "alert.failed": (d) => `will not get "${text(d.title)}": ${text(d.why)}`,
  "alert.delayed": (d) => `takes no alerts: ${text(d.why)}`,
  "alert.unlisted": (d) =>
    `has ${text(d.kept)} alerts waiting; what is beyond is counted only, from: ${text(d.title)}`,
  "alert.restored": (d) => `takes alerts again, after ${ms(d.afterMs)}`,
  "alert.heartbeat": (d) =>
    d.outcome === "restored" ? "the monitor is asked again" : `the monitor is not reached: ${text(d.why)}`,
  "data.consume": (d, entry) => `${who(d, entry)} consumed ${dataRecord(d, entry)}`,
  "data.produce": (d, entry) => `${who(d, entry)} produced ${dataRecord(d, entry)}`,
  "egress.deny": (d) => `was refused${times(d.times)}: ${text(d.message)}`,
  "egress.would-deny": (d) => `would be refused${times(d.times)}: ${text(d.message)}`,
  "egress.connect": (d) =>
    `reached ${text(d.target)}${times(d.connections)}: ${text(d.sentBytes)} bytes out, ${text(d.receivedBytes)} in`,
  "egress.fail": (d) => `could not reach ${text(d.target)}${times(d.times)}: ${text(d.code)}`,
  "egress.self-test": (d) =>
    d.outcome === "passed"
      ? `is kept behind the wall: ${text(d.ways)} ways out are closed`
      : `is not proven to be behind the wall: ${list(d.problems)}`,
  "egress.rules": (d) =>
    `keeps the rules of ${Array.isArray(d.agents) && d.agents.length > 0 ? list(d.agents) : "no agent"}${typeof d.cut === "number" && d.cut > 0 ? `, and cut ${d.cut} connections that they do not allow` : ""}`,
  ...driftTellers,
  ...resourceTellers,
  ...routineTellers,
  "watchd.start": () => "started",
  "watchd.failed": (d) => `did not stay up (${text(d.serviceResult)}): ${list(d.why)}`,
  "watchd.drain": () => "stopping every agent",
};

export function tell(entry: Entry): Telling {
  const teller = tellers[entry.action];
  if (teller === undefined) return { text: unknownAction(entry) };
  return { text: teller(entry.details, entry), good: good.has(entry.action) };
}

/** Actions that this release knows how to tell. */
export const knownActions: readonly string[] = Object.keys(tellers);

/** Whether the entry is about an agent or a routine; otherwise its subject is a store path or a daemon. */
export function isAboutUnit(action: string): boolean {
  return (
    /^(agent|recovery|dependency|alert|routine)\./.test(action) ||
    (action.startsWith("egress.") && action !== "egress.rules")
  );
}

function recovered(d: Details): string {
  const steps = [
    typeof d.startedAfterMs === "number" ? `started after ${ms(d.startedAfterMs)}` : undefined,
    typeof d.servingAfterMs === "number" ? `serving after ${ms(d.servingAfterMs)}` : undefined,
    `verified after ${ms(d.verifiedAfterMs)}`,
  ];
  const restarts = d.restarts === 1 ? "1 restart" : `${text(d.restarts)} restarts`;
  const how = d.rolledBack === true ? `${restarts} and a rollback` : restarts;
  return `recovered (${text(d.cause)}): ${steps.filter((step) => step !== undefined).join(", ")}; ${how}`;
}

function switched(d: Details): string {
  const changes = [names("added", d.added), names("changed", d.changed), names("removed", d.removed)].filter(
    (part) => part !== undefined,
  );
  const from = typeof d.fromNumber === "number" ? `, before it ${d.fromNumber}` : "";
  return `generation ${text(d.number)} is current${from}${changes.length > 0 ? `: ${changes.join("; ")}` : ""}`;
}

function names(what: string, value: unknown): string | undefined {
  if (!Array.isArray(value) || value.length === 0) return undefined;
  const shown = value.slice(0, 5).map(text).join(", ");
  return `${what} ${shown}${value.length > 5 ? ` and ${value.length - 5} more` : ""}`;
}

function exitText(d: Details): string {
  const exit: unknown = d.exit;
  const kind = field(exit, "kind");
  if (kind === "watchdog") return "was ended by systemd: its heartbeat had stopped";
  if (kind === "signal") return signalText(d);
  if (kind !== "exit") return "ended, no one knows how (it was adopted)";
  const external =
    d.cause === "dependency" && d.upstream === undefined ? ", which says that the fault is outside," : "";
  return `exited with code ${text(field(exit, "code"))}${external}`;
}

function signalText({ exit, cause }: Details): string {
  const killed = `was killed by ${text(field(exit, "signal"))}`;
  if (field(exit, "sentBy") === "oom-killer") return `${killed}, for want of memory`;
  if (field(exit, "core") === true) return `${killed} (core dumped)`;
  return cause === "killed-by-operator" ? `${killed}, most likely by a person` : killed;
}

function putDownTo({ upstream }: Details): string {
  return upstream === undefined ? "" : `; several agents do not reach ${text(upstream)}`;
}

function times(count: unknown): string {
  return typeof count === "number" && count > 1 ? ` ${count} times` : "";
}

/** The name of a store path, without the directories before it. */
function place(entry: Entry): string {
  return entry.subject.slice(entry.subject.lastIndexOf("/") + 1);
}

function who(d: Details, { actor }: Entry): string {
  return typeof d.agent === "string" ? d.agent : actor;
}

function dataRecord(d: Details, { subject }: Entry): string {
  return typeof d.version === "string" ? `${subject}@${d.version}` : subject;
}

function unknownAction(entry: Entry): string {
  const { at: _at, severity: _severity, late: _late, ...rest } = entry.details;
  const details = JSON.stringify(rest);
  return `${entry.action} ${details.length > 200 ? `${details.slice(0, 200)}...` : details}`;
}
