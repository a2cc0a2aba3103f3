import { exitCode } from "@daruma/base";
import { defineCommand } from "../cli/command.ts";
import { stateOption, timeoutOption } from "./options.ts";

export const statusCommand = defineCommand({
  path: ["status"],
  summary: "Show the current generation and every agent",
  description: "Asks watchd. An agent counts as well when it is healthy, or has completed what it had to do.",
  args: {},
  options: { state: stateOption },
  json: "document",
  examples: [
    { run: "agentctl status", does: "Show a table" },
    {
      run: "agentctl status --json | jq '.agents[] | select(.held)'",
      does: "Which agents are being held back",
    },
  ],
  exits: [
    { code: exitCode.ok, means: "every required agent is healthy or completed" },
    { code: exitCode.unhealthy, means: "a required agent is not, or nothing is deployed" },
    { code: exitCode.unreachable, means: "watchd cannot be reached" },
  ],
  load: async () => (await import("./status.ts")).status,
});

export const stopCommand = defineCommand({
  path: ["stop"],
  summary: "Stop an agent, and keep it stopped",
  description:
    "What a person has stopped stays stopped: across restarts of watchd, deploys, rollbacks and reboots, until `agentctl start`. The agent gets its stop signal, then its grace time, then SIGKILL. Refused if it cannot be recorded first; on a host `systemctl stop` then does it.",
  args: { NAME: { type: "text", required: true, description: "Name of the agent" } },
  options: {
    wait: { type: "flag", default: true, description: "Wait until nothing of it runs any more" },
    timeout: timeoutOption,
    state: stateOption,
  },
  json: "document",
  examples: [{ run: "agentctl stop enricher", does: "Stop the agent enricher and keep it stopped" }],
  exits: [
    { code: exitCode.ok, means: "nothing of it runs any more; with --no-wait: accepted" },
    { code: exitCode.unhealthy, means: "accepted, but it still runs after --timeout" },
    { code: exitCode.unknownUnit, means: "the current generation has no such agent" },
  ],
  load: async () => (await import("./standstill.ts")).stop,
});

export const startCommand = defineCommand({
  path: ["start"],
  summary: "Start an agent that was stopped, or that has ended",
  description:
    "Takes back `agentctl stop`, or a `systemctl stop` by hand; also starts an agent that had completed, or had failed under a restart policy of never. Then waits until it is proven healthy. Without the ledger, it is recorded late.",
  args: { NAME: { type: "text", required: true, description: "Name of the agent" } },
  options: {
    wait: { type: "flag", default: true, description: "Wait until it is proven healthy" },
    timeout: timeoutOption,
    state: stateOption,
  },
  json: "document",
  examples: [{ run: "agentctl start enricher", does: "Start the agent enricher again" }],
  exits: [
    { code: exitCode.ok, means: "it is proven healthy; with --no-wait: accepted" },
    { code: exitCode.unhealthy, means: "accepted, but not proven healthy within --timeout" },
    { code: exitCode.unknownUnit, means: "the current generation has no such agent" },
  ],
  load: async () => (await import("./standstill.ts")).start,
});

export const generationsCommand = defineCommand({
  path: ["generations"],
  summary: "List the generations",
  description:
    "A generation is one deployed state of the whole host. Known-good: every required agent stayed healthy in it through its probation. Quarantined: it was rolled back from automatically, and is refused at deploy.",
  args: {},
  options: { state: stateOption },
  json: "document",
  examples: [{ run: "agentctl generations", does: "Which generations there are, and which is current" }],
  exits: [],
  load: async () => (await import("./generations.ts")).generations,
});

export const generationsAllowCommand = defineCommand({
  path: ["generations", "allow"],
  summary: "Lift the quarantine of a generation",
  description:
    "Vouches for a generation that was rolled back from: it may be deployed again, and be rolled back from again.",
  args: { N: { type: "integer", required: true, min: 1, description: "Number of the generation" } },
  options: { state: stateOption },
  json: "document",
  examples: [{ run: "agentctl generations allow 2", does: "Allow generation 2 to be deployed again" }],
  exits: [],
  load: async () => (await import("./generations.ts")).allow,
});

export const rollbackCommand = defineCommand({
  path: ["rollback"],
  summary: "Go back to an earlier generation",
  description:
    "Shows the target first, and asks on a terminal. Then waits until the target is current and every required agent in it is healthy. Code and configuration go back; the agents' data does not.",
  args: {},
  options: {
    to: {
      type: "integer",
      value: "N",
      min: 1,
      max: Number.MAX_SAFE_INTEGER,
      description: "Number of the generation. Default: the newest known-good one before the current",
    },
    yes: { type: "flag", short: "y", description: "Do not ask. Needed where there is no terminal" },
    wait: { type: "flag", default: true, description: "Wait until the target is current and proven" },
    timeout: timeoutOption,
    state: stateOption,
  },
  json: "document",
  examples: [
    { run: "agentctl rollback", does: "Go back to the newest known-good generation before this one" },
    { run: "agentctl rollback --to 3 --yes", does: "Go back to generation 3 without asking" },
  ],
  exits: [
    {
      code: exitCode.ok,
      means: "the target is current and every required agent is proven; with --no-wait: accepted",
    },
    { code: exitCode.error, means: "refused, or it did not come about" },
    { code: exitCode.unhealthy, means: "the target is current, but not proven within --timeout" },
  ],
  load: async () => (await import("./rollback.ts")).rollback,
});

export const explainRollbackCommand = defineCommand({
  path: ["explain-rollback"],
  summary: "Say, rule by rule, why a rollback was or was not right",
  description:
    "A rollback is right only if a deploy can be the cause: every rule must hold. Without INCIDENT: how it stands now for every agent that is being recovered, and if there is none, the last decision that was made. With one: every decision in it, as recorded in the ledger when it was made.",
  args: { INCIDENT: { type: "text", required: false, description: "Id of the incident" } },
  options: { state: stateOption },
  json: "document",
  examples: [
    { run: "agentctl explain-rollback", does: "Why an agent that keeps failing is not rolled back" },
    { run: "agentctl explain-rollback inc-4f1c", does: "Why that incident ended as it did" },
  ],
  exits: [{ code: exitCode.usage, means: "there is no such incident" }],
  load: async () => (await import("./explain-rollback.ts")).explainRollback,
});
