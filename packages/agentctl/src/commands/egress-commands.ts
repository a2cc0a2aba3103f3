import { exitCode } from "@daruma/base";
import { defineCommand } from "../cli/command.ts";
import { configOption, followOption, linesOption, stateOption } from "./options.ts";

export const egressExplainCommand = defineCommand({
  path: ["egress", "explain"],
  summary: "Tell whether an agent or routine may reach a target, and why",
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
    agent: { type: "text", value: "NAME", description: "The agent that wants to reach it" },
    routine: {
      type: "text",
      value: "NAME",
      description: "The routine whose runs want to reach it. It or --agent is always needed",
    },
    host: {
      type: "text",
      value: "NAME",
      description: "The host of the fleet that it is on. Needed if several have one of that name",
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
    { code: exitCode.unknownUnit, means: "the fleet has no such agent or routine" },
  ],
  load: async () => (await import("./egress-explain.ts")).egressExplain,
});

export const egressStatusCommand = defineCommand({
  path: ["egress", "status"],
  summary: "Show whether agents are kept to what they may reach",
  description:
    "Asks egressd. An agent counts as enforced once its self-test has passed: a program in its sandbox, with its user, has tried ways out past its proxy, and none was open. After each change of the wall or of its rules it is tested again, and until then it is unproven. Also told are the targets that it could not reach. On a host, only root may ask.",
  args: {},
  options: { state: stateOption },
  json: "document",
  examples: [{ run: "agentctl egress status", does: "Show a table" }],
  exits: [
    { code: exitCode.ok, means: "every agent whose rules are to be enforced is proven to be kept to them" },
    { code: exitCode.unhealthy, means: "one is not, or not yet" },
    { code: exitCode.unreachable, means: "egressd cannot be reached" },
  ],
  load: async () => (await import("./egress-status.ts")).egressStatus,
});

export const egressLogCommand = defineCommand({
  path: ["egress", "log"],
  summary: "Show what agents and routines reached, and were refused",
  description:
    "The entries of egressd in the ledger, oldest first. Hosts, bytes and times; what was said is in no entry. What repeats within a few seconds is one entry with a count. With --json: one stored entry a line, in its exact bytes.",
  args: {},
  options: {
    agent: { type: "text", value: "NAME", description: "Only of this agent" },
    routine: { type: "text", value: "NAME", description: "Only of the runs of this routine" },
    denied: { type: "flag", description: "Only what was refused, or would be" },
    lines: linesOption,
    follow: followOption,
    state: stateOption,
  },
  json: "lines",
  examples: [
    { run: "agentctl egress log --follow", does: "What agents reach, as it happens" },
    { run: "agentctl egress log --denied --agent enricher", does: "What enricher was refused last" },
  ],
  exits: [],
  load: async () => (await import("./egress-log.ts")).egressLog,
});

export const egressSuggestCommand = defineCommand({
  path: ["egress", "suggest"],
  summary: "Make an allowlist of what was observed",
  description:
    "Reads what egressd let through in mode observe (under `agentctl dev`: always) though no rule allows it, and prints the entries that would allow it, the most used first. Names stay single names: a wildcard is for a person to decide. What a rule denies, and what was wrong with a request itself, is left out. Read it before you copy it: what an agent did is not what it should do.",
  args: {},
  options: {
    agent: { type: "text", value: "NAME", description: "Only for this agent" },
    routine: { type: "text", value: "NAME", description: "Only for the runs of this routine" },
    state: stateOption,
  },
  json: "document",
  examples: [{ run: "agentctl egress suggest --agent enricher", does: "What to add to its egress" }],
  exits: [],
  load: async () => (await import("./egress-suggest.ts")).egressSuggest,
});
