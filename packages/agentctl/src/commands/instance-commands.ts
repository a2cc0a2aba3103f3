import { exitCode } from "@daruma/base";
import { defineCommand } from "../cli/command.ts";
import { stateOption } from "./options.ts";

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
    timeout: {
      type: "text",
      value: "DURATION",
      default: "2m",
      description: "How long to wait at most, such as 90s or 5m",
    },
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
