import type { Event } from "../policy/events.ts";
import type { Seen } from "./watchd.ts";

/** Names a command, so that the event that reports its end is known to be about it. */
export function keyOf(command: Seen["taken"]["commands"][number]): string {
  switch (command.type) {
    case "start":
    case "stop":
    case "probe":
      return `${command.type} ${command.runId}`;
    case "verify-closure":
    case "promote":
      return `${command.type} ${command.path}`;
    case "find-earlier":
      return `find-earlier ${command.id}`;
    case "rollback":
      return `rollback ${command.id}`;
  }
}

/** The command that an event reports the end of. */
export function endsOf(event: Event): string | null {
  switch (event.type) {
    case "started":
      return `start ${event.run.runId}`;
    case "start-failed":
      return `start ${event.runId}`;
    case "stopped":
    case "stop-failed":
      return `stop ${event.runId}`;
    case "probed":
      return `probe ${event.runId}`;
    case "closure-verified":
    case "closure-unread":
      return `verify-closure ${event.path}`;
    case "promoted":
    case "promotion-failed":
      return `promote ${event.path}`;
    case "earlier-found":
    case "earlier-refused":
      return `find-earlier ${event.id}`;
    case "rollback-refused":
    case "rollback-failed":
    case "rollback-done":
      return `rollback ${event.id}`;
    default:
      return null;
  }
}
