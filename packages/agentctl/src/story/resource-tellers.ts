import type { Entry } from "@daruma/ledger";
import { list, mib, ms, text } from "./words.ts";

/* What the ledger says of agents that use too much, or whose work does not get on. */

type Details = Entry["details"];

const names: Readonly<Record<string, string>> = {
  leak: "memory that grows",
  cpu: "processor time",
  openFiles: "open files",
  io: "disk",
  latency: "time to answer its health check",
};

function named(resource: unknown): string {
  return names[String(resource)] ?? text(resource);
}

export const resourceTellers: Readonly<Record<string, (details: Details) => string>> = {
  "agent.over-memory": (d) => `uses ${mib(d.bytes)} of memory, more than its limit of ${mib(d.limitBytes)}`,
  "agent.leak": (d) =>
    `leaks: its memory grows by ${mib(d.growthBytes)} in ${ms(d.withinMs)}, from ${mib(d.firstBytes)} to ${mib(d.lastBytes)}`,
  "agent.overuse": (d) =>
    `uses too much (${named(d.resource)}): ${text(d.level)} for ${ms(d.overMs)}, and may use ${text(d.bound)}`,
  "agent.overuse-over": (d) =>
    `uses no more than it may again (${named(d.resource)}), after ${ms(d.afterMs)}`,
  "agent.preempt": (d) =>
    `is restarted before it fails (${named(d.resource)}): ${d.moment === "idle" ? "it is idle" : "it was given no moment for it"}`,
  "agent.unmeasured": (d) => `cannot be measured here: ${list(d.resources)}`,
  "agent.stuck": (d) => `is stuck: the counter of its work has not risen for ${ms(d.stuckMs)}`,
};
