import { exitCode } from "@daruma/base";
import { defineCommand } from "../cli/command.ts";
import { stateOption } from "./options.ts";

export const alertListCommand = defineCommand({
  path: ["alert", "list"],
  summary: "List who is told, what is wrong now, and what was sent",
  description:
    "Asks watchd: the sinks and whether they take messages, the conditions that people were told of and that are not over, and messages: those that wait, and the newest that were sent or failed.",
  args: {},
  options: { state: stateOption },
  json: "document",
  examples: [
    { run: "agentctl alert list", does: "Show tables" },
    {
      run: "agentctl alert list --json | jq '.messages[] | select(.state != \"sent\")'",
      does: "What has not arrived, and why",
    },
  ],
  exits: [{ code: exitCode.unhealthy, means: "a sink or the dead man's switch does not work" }],
  load: async () => (await import("./alert.ts")).alertList,
});

export const alertTestCommand = defineCommand({
  path: ["alert", "test"],
  summary: "Send a test alert, to see whether it arrives",
  description:
    "Sends a message that says that it is a test, whatever the hour and however many were sent, and waits for up to 20 seconds for what the service says. The ledger has it as any other. Whether a person sees it, only that person can tell: do it once a month.",
  args: {
    SINK: { type: "text", required: false, description: "Name of the sink. Without it: all of them" },
  },
  options: { state: stateOption },
  json: "document",
  examples: [
    { run: "agentctl alert test", does: "Try every sink" },
    { run: "agentctl alert test pager", does: "Try one" },
  ],
  exits: [
    { code: exitCode.unhealthy, means: "a sink has not taken it" },
    { code: exitCode.unknownUnit, means: "the current generation has no such sink" },
  ],
  load: async () => (await import("./alert.ts")).alertTest,
});
