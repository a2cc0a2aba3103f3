import { exitCode } from "@daruma/base";
import { defineCommand } from "../cli/command.ts";
import { configOption, formatOption } from "./options.ts";

export const checkCommand = defineCommand({
  path: ["check"],
  summary: "Check what can be known of a fleet before a deploy",
  description:
    "Types (where there is a TypeScript compiler), the fleet file, its sources, lints for what bites in production, whether the generated files are current, and whether Nix reads them (where there is Nix). All problems are told at once, with their places. Changes nothing.",
  args: {},
  options: {
    config: configOption,
    out: {
      type: "text",
      value: "DIR",
      description: "Where generated files are. Default: the directory `generated` beside the fleet file",
    },
    generated: {
      type: "flag",
      default: true,
      description: "Check that the generated files are current; --no-generated where they are not committed",
    },
    format: formatOption,
  },
  json: "document",
  examples: [
    { run: "agentctl check", does: "Check ./fleet.config.ts" },
    {
      run: "agentctl check --format github",
      does: "In GitHub Actions: problems beside the lines of a pull request",
    },
  ],
  exits: [
    {
      code: exitCode.error,
      means: "there is a problem that is not silenced in the fleet file with a reason",
    },
  ],
  load: async () => (await import("./check.ts")).check,
});
