import {
  type Action,
  boolean,
  type Field,
  nullable,
  number,
  object,
  optional,
  text,
  texts,
} from "./action-fields.ts";
import { alertActions } from "./alert-actions.ts";
import { driftActions } from "./drift-actions.ts";
import { egressActions } from "./egress-actions.ts";
import { generationActions } from "./generation-actions.ts";
import { keepingActions } from "./keeping-actions.ts";
import { routineActions } from "./routine-actions.ts";

/*
 * The actions that Daruma's own programs write, and what their details hold. A description, not a gate: ledgerd takes every
 * action, and the verifier looks at none, for a ledger outlives the release that wrote it. Details may always hold more.
 */

const upstream = optional(text("what several agents do not reach: to this it is put down"));
const resource = text("leak, memory, cpu, openFiles, tasks, io or latency");
const cause = text(
  "crash, hang, unhealthy, leak, resource, start-failed, dependency, configuration or killed-by-operator: what kind of failure it is",
);
const exit = object(
  "{kind: exit, code}, {kind: signal, signal} (with core: true where it dumped core, with sentBy where that is known: oom-killer or systemd), {kind: watchdog} (by systemd, for its silence) or {kind: unknown}",
);
const uptimeMs = number("how long the run had lasted");
const judgement = object("{target, toNumber, rules}: each rule with {rule, holds, why}");
const others = optional(object("tier -> judgement, of the other tiers of its policy that were looked at"));
const record: Readonly<Record<string, Field>> = {
  type: text("kind of the record: 1 to 64 letters, digits and `._-`, a letter first; not run or generation"),
  id: text("names the record among those of its type; subject is TYPE:ID and has at most 256 characters"),
  version: optional(text("which state of the record; missing where it has but one")),
  sha256: optional(text("of its bytes, 64 lower-case hex digits")),
  agent: optional(text("the agent, as known from its socket; the actor is then `agent:` and this name")),
  activity: optional(
    text("joins what one piece of work within the run has consumed and produced; without it, the run does"),
  ),
  generation: optional(nullable(number("number of the generation in which the run began"))),
  payloadCommitment: optional(
    text("SHA-256 of a salt and of the payload that is kept beside the entry, and can be erased"),
  ),
};

/** What watchd adds to the details of each of its entries. */
export const commonDetails: Readonly<Record<string, Field>> = {
  at: optional(text("when it happened (RFC 3339); `time` is when it was recorded")),
  severity: optional(text("info, warning or critical")),
  late: optional(boolean("true if ledgerd was away when it happened")),
  withheld: optional(
    text("code of the error for which the ledger could not take the details; then they are missing"),
  ),
  onBehalfOf: optional(text("the person for whom the operator acted")),
};

export const actions: Readonly<Record<string, Action>> = {
  "agent.start": {
    means: "A run begins.",
    subject: "agent",
    details: {
      digest: text("digest of its definition"),
      generation: nullable(number("number of the generation")),
    },
  },
  "agent.start-failed": {
    means: "It could not be started.",
    subject: "agent",
    details: { cause, code: text("code of the error"), message: text("what happened") },
  },
  "agent.start-lost": { means: "It ended before its start was known.", subject: "agent", details: { cause } },
  "agent.adopt": {
    means: "It was found running: after a restart of watchd, or because somebody else has started it.",
    subject: "agent",
    details: { pid: nullable(number("its process")), digest: text("digest of the definition that it runs") },
  },
  "agent.healthy": {
    means: "It has proven healthy, and had not failed before.",
    subject: "agent",
    details: { afterMs: number("from the start of the run") },
  },
  "agent.exit": {
    means: "It ended, and was not to.",
    subject: "agent",
    details: { cause, exit, uptimeMs, phase: text("what it was doing"), upstream },
  },
  "agent.complete": {
    means: "It ended with success, and is not to run again.",
    subject: "agent",
    details: { exit, uptimeMs, phase: text("what it was doing") },
  },
  "agent.unhealthy": {
    means: "Its health check fails.",
    subject: "agent",
    details: {
      cause,
      reason: text("what the last probe got"),
      failingProbes: number("in a row"),
      missed: optional(number("of the newest checks, where it is not for those in a row")),
      ofChecks: optional(number("how many those are")),
      becameHealthy: boolean("whether it was healthy before, in this run"),
      uptimeMs,
      upstream,
    },
  },
  "agent.hang": {
    means: "It was to show that it gets on, and has not been heard of for too long.",
    subject: "agent",
    details: {
      cause,
      silentMs: number("since its last word, or since it was listened for"),
      limitMs: number("of silence that it may keep"),
      heardBefore: boolean("whether it was heard at all, in this run and by this watchd"),
      uptimeMs,
      upstream,
    },
  },
  "agent.over-memory": {
    means: "It uses more memory than it may.",
    subject: "agent",
    details: { cause, bytes: number("in use"), limitBytes: number("allowed") },
  },
  "agent.stuck": {
    means: "The counter of its work was to rise, and has not for too long.",
    subject: "agent",
    details: {
      cause,
      count: nullable(number("the counter; null if it was never told")),
      stuckMs: number("since it rose last"),
      limitMs: number("within which it has to rise"),
      uptimeMs,
      upstream,
    },
  },
  "agent.leak": {
    means: "Its memory grows without an end. It is restarted at a moment that suits it.",
    subject: "agent",
    details: {
      resource,
      samples: number("points of its memory that were looked at"),
      spanMs: number("from the first to the last of them"),
      firstBytes: number("memory at the first"),
      lastBytes: number("memory at the last"),
      slopeBytesPerHour: number("median of the slopes between all of them"),
      rising: number("share of the pairs that rise, 0 to 1"),
      growthBytes: number("by that slope, in the window"),
      withinMs: number("the window"),
      limitBytes: number("growth that it may have in the window"),
      restartWithinMs: number("how long the restart waits at most"),
    },
  },
  "agent.overuse": {
    means: "It uses too much for too long. It is restarted at a moment that suits it.",
    subject: "agent",
    details: {
      resource,
      level: number("in use: bytes, processors, a number, bytes a second, or milliseconds"),
      bound: number("what it may use"),
      overMs: number("how long it has been above that"),
      sustainedMs: number("how long it may be"),
      restartWithinMs: number("how long the restart waits at most"),
    },
  },
  "agent.overuse-over": {
    means: "It uses no more than it may, before it was restarted for it.",
    subject: "agent",
    details: { resource, afterMs: number("since it was found to use too much") },
  },
  "agent.preempt": {
    means: "It is restarted because it uses too much, before it fails.",
    subject: "agent",
    details: {
      cause,
      resource,
      moment: text("idle or deadline: why now"),
      waitedMs: number("since it was found to use too much"),
      counts: boolean("whether it counts as a failure: in a generation that has not proven itself"),
    },
  },
  "agent.unmeasured": {
    means: "What it is not to use too much of cannot be measured here.",
    subject: "agent",
    details: { resources: texts("which") },
  },
  "agent.restart-asked": { means: "It asks for its own restart.", subject: "agent", details: {} },
  "agent.stop": {
    means: "It is asked to stop.",
    subject: "agent",
    details: { why: text("the reason"), signal: text("the first signal"), graceMs: number("until SIGKILL") },
  },
  "agent.stopped": {
    means: "Nothing of the run is left.",
    subject: "agent",
    details: { forced: boolean("by SIGKILL") },
  },
  "agent.stop-request": { means: "A person asks for it to be stopped.", subject: "agent", details: {} },
  "agent.start-request": { means: "A person asks for it to be started.", subject: "agent", details: {} },
  "agent.stopped-by-person": {
    means: "A person has stopped it: it stays so until a person starts it.",
    subject: "agent",
    details: { phase: text("what it was doing") },
  },
  "agent.stopped-outside": {
    means: "Its run was stopped through systemd, by a person or a switch. That is no failure.",
    subject: "agent",
    details: {
      uptimeMs,
      phase: text("what it was doing"),
      inSwitch: boolean("whether a switch was under way"),
    },
  },
  "agent.released": {
    means: "What kept it stopped is over, or a person starts it.",
    subject: "agent",
    details: {},
  },
  "agent.stop-failed": {
    means: "It could not be stopped.",
    subject: "agent",
    details: { message: text("what happened") },
  },
  "agent.restart": {
    means: "It will be started again.",
    subject: "agent",
    details: {
      restart: number("how many-eth of this incident"),
      delayMs: number("until then"),
      held: boolean("whether it waits at the longest backoff"),
    },
  },
  "agent.hold": {
    means: "It keeps failing, and no rollback is eligible.",
    subject: "agent",
    details: { noRollback: texts("why not"), judgement: optional(judgement), others },
  },
  "agent.give-up": {
    means:
      "It says that its configuration is wrong: it is left alone until a switch, or until a person starts it.",
    subject: "agent",
    details: { noRollback: texts("why it was not rolled back"), judgement: optional(judgement), others },
  },
  "agent.stand-in": {
    means: "It goes on with other settings than its generation declares.",
    subject: "agent",
    details: {
      kind: text("fallback, or earlier: those that a known-good generation has of it"),
      generation: text("path of the generation that has them"),
      number: nullable(number("of that generation")),
      digest: text("of the agent with them"),
      declared: text("digest of what its generation declares"),
    },
  },
  "agent.stand-in-refused": {
    means: "Its earlier settings cannot be put in force.",
    subject: "agent",
    details: {
      generation: text("path of the generation that has them"),
      damaged: boolean("whether that can never be a target again"),
      problems: texts("what is wrong"),
    },
  },
  "agent.stand-in-over": {
    means: "It runs with what its generation declares again.",
    subject: "agent",
    details: { kind: text("fallback or earlier"), why: text("deploy, or allowed: a person vouches for it") },
  },
  "recovery.verified": {
    means: "It is healthy again: the incident is over.",
    subject: "agent",
    details: {
      cause,
      restarts: number("that it took"),
      rolledBack: boolean("whether it took a rollback"),
      startedAfterMs: number("from the failure to the start of the run"),
      servingAfterMs: nullable(number("from the failure to the first probe that passed")),
      verifiedAfterMs: number("from the failure to the proof"),
    },
  },
  "recovery.escalate": {
    means: "Restarting does not help.",
    subject: "agent",
    details: {
      to: text("what is done: fallback, rollback-agent or rollback"),
      because: texts("each rule, and why it holds"),
      judgement: optional(judgement),
      others,
    },
  },
  "dependency.down": {
    means: "What it needs is not there: it says so itself, or what it declares to need does not answer.",
    subject: "agent",
    details: { dependency: text("its name"), reason: text("what the probe got") },
  },
  "dependency.up": {
    means: "What it waited for is back.",
    subject: "agent",
    details: { dependency: text("its name") },
  },
  "alert.raise": {
    means: "A person should know.",
    subject: "agent",
    details: {
      kind: text("held, stuck, outside, …"),
      message: text("one sentence"),
      why: texts("the reasons"),
    },
  },
  ...alertActions,
  ...generationActions,
  ...driftActions,
  "watchd.start": {
    means: "The watchdog is up.",
    subject: "daemon",
    details: { pid: number("its process"), recovered: boolean("whether its journal had to be mended") },
  },
  "watchd.drain": { means: "Every agent is being stopped.", subject: "daemon", details: {} },
  "watchd.failed": {
    means: "The watchdog could not stay up, and what works without it has acted.",
    subject: "daemon",
    details: {
      generation: text("path of the current one"),
      decision: text("rollback or alert"),
      why: texts("the reasons"),
      serviceResult: text("systemd's $SERVICE_RESULT"),
      exitCode: text("systemd's $EXIT_CODE"),
      exitStatus: text("systemd's $EXIT_STATUS"),
    },
  },
  "data.consume": {
    means: "A run has used a record: what it produces later may come from it.",
    subject: "record",
    details: record,
  },
  "data.produce": {
    means: "A run has made a record, of what it has consumed before.",
    subject: "record",
    details: record,
  },
  ...egressActions,
  ...routineActions,
  ...keepingActions,
};
