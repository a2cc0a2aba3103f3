import { type Action, boolean, nullable, number, object, optional, text } from "./action-fields.ts";

const exit = object("{kind: exit, code}, {kind: signal, signal} or {kind: unknown}");
const attempt = number("how many-eth of the run, from 1");
const firing = {
  trigger: text("schedule, catch-up, boot, event or person"),
  nominal: text("the time that it is for (RFC 3339); `at` is when it was decided on"),
} as const;

/** What watchd writes about routines: every decision, with the time that it is for and the time at which it was taken. */
export const routineActions: Readonly<Record<string, Action>> = {
  "routine.fired": {
    means: "A run is to come about.",
    subject: "routine",
    details: {
      ...firing,
      cause: optional(text("the event or the person")),
      request: optional(text("id of what asked for it")),
    },
  },
  "routine.missed": {
    means: "Times passed while nobody could decide on them.",
    subject: "routine",
    details: {
      first: text("the first of them (RFC 3339)"),
      last: text("the last of them"),
      policy: text("skip, one or all"),
      paused: boolean("whether the routine was paused, so that none is caught up"),
      caughtUp: number("how many runs are caught up"),
      more: boolean("whether there were more than can be caught up"),
    },
  },
  "routine.caught-up": {
    means: "A run is to make up for a missed time.",
    subject: "routine",
    details: firing,
  },
  "routine.clock-corrected": {
    means: "The clock had been wrong by hours: times are taken anew from what it shows.",
    subject: "routine",
    details: { from: text("up to where times had been decided on"), to: text("what the clock shows now") },
  },
  "routine.skipped": {
    means: "There will be no run for this.",
    subject: "routine",
    details: { ...firing, why: text("paused or overlap") },
  },
  "routine.queued": {
    means: "The run waits for a place.",
    subject: "routine",
    details: { ...firing, waitsFor: text("overlap (an active run of the same routine) or group") },
  },
  "routine.dropped": {
    means: "The run will not start.",
    subject: "routine",
    details: { ...firing, why: text("queue-full, replaced, deadline, removed or stopped") },
  },
  "routine.started": {
    means: "An attempt begins.",
    subject: "routine",
    details: { ...firing, attempt, latenessMs: number("since the time that it is for") },
  },
  "routine.retried": {
    means: "An attempt has failed, and there will be another one.",
    subject: "routine",
    details: {
      ...firing,
      attempt,
      delayMs: number("until the next one"),
      cause: text("crash, timeout, start-failed, reboot or unknown"),
      exit: optional(exit),
      code: optional(text("code of the error")),
      message: optional(text("what happened")),
    },
  },
  "routine.finished": {
    means: "The run is over.",
    subject: "routine",
    details: {
      ...firing,
      outcome: text("succeeded, failed, replaced or stopped"),
      result: optional(object("{extracted, transformed, loaded, errors}: what the run has told of them")),
      attempts: number("that it took"),
      tookMs: number("from the decision to start the first attempt"),
      why: optional(text("of failed: retries-spent, configuration or removed")),
      attempt: optional(attempt),
      cause: optional(text("of the last failure")),
      exit: optional(exit),
      code: optional(text("code of the error")),
      message: optional(text("what happened")),
    },
  },
  "routine.over-memory": {
    means: "A run uses more memory than it may, and is ended.",
    subject: "routine",
    details: { bytes: number("in use"), limitBytes: number("allowed") },
  },
  "routine.anomaly": {
    means: "A run has succeeded, and what it has told of its result is not as expected.",
    subject: "routine",
    details: {
      ...firing,
      count: text("extracted, transformed, loaded or errors"),
      value: nullable(number("what it has told")),
      why: text("missing, below, above or unlike-before"),
      bound: nullable(number("that it is beyond; of unlike-before: the median of the results before")),
    },
  },
  "routine.stop-failed": {
    means: "A run could not be stopped.",
    subject: "routine",
    details: { ...firing, message: text("what happened") },
  },
  "routine.stray": { means: "A run that nobody knows is stopped.", subject: "routine", details: {} },
  "routine.delivery": {
    means: "A webhook has come; what is refused is told once and then summed up.",
    subject: "routine",
    details: {
      outcome: text("taken, repeated, refused or failed"),
      why: nullable(text("of what was not taken: no-route, signature, too-old, …")),
      times: number("how often"),
      since: optional(text("beginning of the time that is summed up (RFC 3339)")),
      bytes: optional(number("of the body, as received")),
      bodySha256: optional(text("of that")),
    },
  },
  "routine.deaf": {
    means: "Its webhooks cannot be taken.",
    subject: "routine",
    details: { message: text("what happened") },
  },
  "routine.stop-request": {
    means: "A person wants the run to end, and not to be tried again.",
    subject: "routine",
    details: { by: text("who") },
  },
  "routine.paused": {
    means: "A person pauses it: it runs only by hand until a person resumes it.",
    subject: "routine",
    details: { by: text("who"), why: text("the reason") },
  },
  "routine.resumed": {
    means: "A person resumes it.",
    subject: "routine",
    details: { by: text("who"), pausedBy: text("who had paused it"), pausedMs: number("how long") },
  },
};
