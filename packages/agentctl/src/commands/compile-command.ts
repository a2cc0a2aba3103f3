import { exitCode } from "@daruma/base";
import { defineCommand } from "../cli/command.ts";
import { configOption, formatOption } from "./options.ts";

export const compileCommand = defineCommand({
  path: ["compile"],
  summary: "Write the Nix files of every host of a fleet",
  description:
    "Evaluates the fleet file, checks it, and writes DIR/HOST/default.nix for each host. The same input gives the same bytes. Files of hosts that are gone are removed if they were generated.",
  args: {},
  options: {
    config: configOption,
    out: {
      type: "text",
      value: "DIR",
      description: "Where to write. Default: the directory `generated` beside the fleet file",
    },
    format: formatOption,
    check: { type: "flag", description: "Write nothing; exit 1 if a file is missing, stale or left over" },
  },
  json: "document",
  examples: [
    { run: "agentctl compile", does: "Write generated/HOST/default.nix beside ./fleet.config.ts" },
    { run: "agentctl compile --check", does: "In CI: fail if what is committed is stale" },
  ],
  exits: [{ code: exitCode.error, means: "the fleet is not valid, or --check found stale files" }],
  load: async () => (await import("./compile.ts")).compile,
});
