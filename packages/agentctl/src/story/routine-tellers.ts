import type { Entry } from "@daruma/ledger";
import { field, mib, ms, text } from "./words.ts";

type Details = Entry["details"];

/** What the actions of routines say to a person. */
export const routineTellers: Readonly<Record<string, (details: Details, entry: Entry) => string>> = {
  "routine.fired": (d, entry) => `${run(entry)} fired by ${trigger(d)}, for ${text(d.nominal)}`,
  "routine.missed": (d) =>
    `missed its times from ${text(d.first)} to ${text(d.last)}: ${d.paused === true ? "it was paused" : caughtUp(d)}`,
  "routine.caught-up": (d, entry) => `${run(entry)} makes up for ${text(d.nominal)}`,
  "routine.clock-corrected": (d) =>
    `the clock had been wrong: times go on from ${text(d.to)}, after ${text(d.from)}`,
  "routine.skipped": (d, entry) => `${run(entry)} is skipped (${text(d.why)})`,
  "routine.queued": (d, entry) => `${run(entry)} waits (${text(d.waitsFor)})`,
  "routine.dropped": (d, entry) => `${run(entry)} is dropped (${text(d.why)})`,
  "routine.started": (d, entry) => `${run(entry)} started${attempt(d)}, ${ms(d.latenessMs)} after its time`,
  "routine.retried": (d, entry) =>
    `${run(entry)} failed${attempt(d)} (${failure(d)}); again in ${ms(d.delayMs)}`,
  "routine.finished": finished,
  "routine.anomaly": (d, entry) =>
    `ANOMALY: ${run(entry)} ${d.why === "missing" ? `has not told how many ${text(d.count)}` : `has ${text(d.value)} ${text(d.count)}, ${text(d.why)}${typeof d.bound === "number" ? ` (${d.bound})` : ""}`}`,
  "routine.over-memory": (d, entry) =>
    `${run(entry)} uses ${mib(d.bytes)} of memory, more than its limit of ${mib(d.limitBytes)}, and is ended`,
  "routine.stop-failed": (d, entry) => `${run(entry)} could not be stopped: ${text(d.message)}`,
  "routine.stop-request": (d, entry) => `${run(entry)} is to end: asked by ${text(d.by)}`,
  "routine.stray": (_, entry) => `${run(entry)} is stopped: nobody knows what it is for`,
  "routine.delivery": (d) =>
    `a webhook was ${text(d.outcome)}${typeof d.why === "string" ? ` (${d.why})` : ""}${typeof d.times === "number" && d.times > 1 ? ` ${d.times} times` : ""}`,
  "routine.deaf": (d) => text(d.message),
  "routine.paused": (d) => `paused by ${text(d.by)}: ${text(d.why)}`,
  "routine.resumed": (d) =>
    `resumed by ${text(d.by)}; ${text(d.pausedBy)} had paused it for ${ms(d.pausedMs)}`,
};

function finished(d: Details, entry: Entry): string {
  const attempts = d.attempts === 1 ? "" : ` and ${text(d.attempts)} attempts`;
  const how = `${run(entry)} ${text(d.outcome)} after ${ms(d.tookMs)}${attempts}`;
  return d.outcome === "failed" ? `${how} (${failure(d)})` : how;
}

function failure(d: Details): string {
  const exit = d.exit;
  const kind = field(exit, "kind");
  const how =
    kind === "signal"
      ? text(field(exit, "signal"))
      : kind === "exit"
        ? `exit code ${text(field(exit, "code"))}`
        : typeof d.message === "string"
          ? d.message
          : undefined;
  return [text(d.cause), how].filter((part) => part !== undefined).join(", ");
}

function caughtUp({ caughtUp: count, more }: Details): string {
  if (count === 0) return "none is caught up";
  const left = more === true ? ", and no more than that" : "";
  return `${count === 1 ? "1 is" : `${text(count)} are`} caught up${left}`;
}

function trigger({ trigger: kind, cause }: Details): string {
  return typeof cause === "string" ? `${text(kind)} ${cause}` : text(kind);
}

function attempt({ attempt: number }: Details): string {
  return typeof number === "number" && number > 1 ? ` (attempt ${number})` : "";
}

function run({ run: id }: Entry): string {
  return id ?? "a run";
}
