import type { Command, Event, LedgerRecord } from "../policy/events.ts";
import type { Chapter, Failure } from "./run.ts";

/** A failed run in words: first the line that takes the same course again, then what happened last. */
export function tell(failure: Failure): string {
  return [
    `make simulate SEED=${failure.seed} RUNS=1`,
    `step ${failure.step}: ${failure.invariant}: ${failure.message}`,
    ...failure.story.map(tellChapter),
  ].join("\n");
}

function tellChapter({ time, seen }: Chapter): string {
  const { event, taken } = seen;
  const lines = [`${String(Math.round(time)).padStart(9)}  ${tellEvent(event)}`];
  for (const record of taken.records) lines.push(`             | ${tellRecord(record)}`);
  for (const command of taken.commands) lines.push(`             > ${tellCommand(command)}`);
  return lines.join("\n");
}

function tellEvent(event: Event): string {
  switch (event.type) {
    case "generation":
      return `generation ${event.current.number} ${event.current.path}, known-good: ${event.knownGood.map(({ path }) => path).join(" ")}`;
    case "runs":
      return `runs taken at ${event.takenAt}: ${event.runs.map(({ runId }) => runId).join(" ")}`;
    case "started":
      return `started ${event.run.runId} ${event.run.digest}`;
    case "exited":
      return `exited ${event.runId} ${Object.values(event.cause).join(" ")}`;
    case "probed":
      return `probed ${event.runId} ${event.outcome.ok ? "ok" : event.outcome.reason}`;
    case "earlier-found":
      return `earlier-found ${event.agent} ${event.id} ${event.manifest.digest}`;
    default: {
      const { type, ...rest } = event;
      return `${type} ${Object.values(rest).join(" ")}`;
    }
  }
}

function tellRecord({ action, subject, run, incident, details }: LedgerRecord): string {
  const parts = [action, subject, run, incident].filter((part) => part !== undefined && part !== "");
  return `${parts.join(" ")} ${JSON.stringify(details)}`;
}

function tellCommand(command: Command): string {
  switch (command.type) {
    case "start":
      return `start ${command.agent} ${command.runId} ${command.digest}`;
    case "stop":
    case "probe":
      return `${command.type} ${command.agent} ${command.runId}`;
    case "find-earlier":
      return `find-earlier ${command.agent} ${command.id} in ${command.generation}`;
    case "rollback":
      return `rollback ${command.id} ${command.from} -> ${command.target}`;
    case "verify-closure":
    case "promote":
      return `${command.type} ${command.path}`;
  }
}
