import { exitCode } from "@daruma/base";
import { defineCommand } from "../cli/command.ts";
import { configOption } from "./options.ts";

export const egressExplainCommand = defineCommand({
  path: ["egress", "explain"],
  summary: "Tell whether an agent may reach a target, and by which rule",
  description:
    "Reads the fleet file and judges the target by the same code as egressd, without asking any daemon and without resolving names. An allowed name is judged once more when it is resolved: every address that it leads to has to be public, unless the rule says private: true or a network names the address. Says what the rules are, not whether anything enforces them.",
  args: {
    TARGET: {
      type: "text",
      required: true,
      description: "A URL or HOST:PORT, in any spelling that a client could send",
    },
  },
  options: {
    agent: { type: "text", value: "NAME", description: "The agent that wants to reach it. Always needed" },
    host: {
      type: "text",
      value: "NAME",
      description: "The host of the fleet that the agent is on. Needed if several have an agent of that name",
    },
    config: configOption,
  },
  json: "document",
  examples: [
    {
      run: "agentctl egress explain https://api.example.com/v1 --agent enricher",
      does: "May enricher reach the API, and why",
    },
    {
      run: "agentctl egress explain 2130706433:80 --agent enricher --json",
      does: "The same for an odd spelling of 127.0.0.1, as a document",
    },
  ],
  exits: [
    { code: exitCode.ok, means: "there is a decision, whichever" },
    { code: exitCode.unknownUnit, means: "the fleet has no such agent" },
  ],
  load: async () => (await import("./egress-explain.ts")).egressExplain,
});
