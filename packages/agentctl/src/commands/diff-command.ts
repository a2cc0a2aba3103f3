import { exitCode } from "@daruma/base";
import { defineCommand } from "../cli/command.ts";
import { configOption } from "./options.ts";

export const diffCommand = defineCommand({
  path: ["diff"],
  summary: "Show what a deploy of the fleet would do",
  description:
    "Compares the fleet as it is in the working tree with what it was at a commit. For each host: which units are started, stopped, restarted, reloaded or left alone, and why; what egress is opened or closed; which policies change. What a new nixpkgs or Daruma changes is not seen: a changed flake.lock is named.",
  args: {
    REF: { type: "text", required: false, description: "A commit, tag or branch of Git. Default: HEAD" },
  },
  options: {
    config: configOption,
    "exit-code": { type: "flag", description: "Exit 1 if a deploy would do anything" },
  },
  json: "document",
  examples: [
    { run: "agentctl diff", does: "What the changes that are not committed would do" },
    { run: "agentctl diff origin/main", does: "In a pull request: what merging it would do" },
  ],
  exits: [
    { code: exitCode.error, means: "with --exit-code: there are differences; else: a fleet is not valid" },
  ],
  load: async () => (await import("./diff.ts")).diff,
});
