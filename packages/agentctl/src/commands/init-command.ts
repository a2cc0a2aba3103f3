import { exitCode } from "@daruma/base";
import { defineCommand } from "../cli/command.ts";

export const initCommand = defineCommand({
  path: ["init"],
  summary: "Start a repository for a fleet",
  description:
    "Writes a fleet that works at once: fleet.config.ts with an agent, a flake, types for editors, CI for GitHub and GitLab that runs `agentctl check`, a README; then compiles it. Nothing that exists is overwritten. Needs no network.",
  args: {
    DIR: { type: "text", required: false, description: "Where to write. Default: the current directory" },
  },
  options: {
    daruma: {
      type: "text",
      value: "REF",
      default: "flake:daruma",
      description: "Flake reference to Daruma, for flake.nix",
    },
    "npm-registry": {
      type: "text",
      value: "URL",
      description: "The npm registry that Nix builds Daruma from, for flake.nix. Without it: npm's own",
    },
    types: {
      type: "flag",
      description:
        "Write only types/daruma-config.d.ts again, over an older one: the options of this release",
    },
  },
  json: "document",
  examples: [
    { run: "agentctl init my-fleet", does: "Start a fleet in ./my-fleet" },
    { run: "agentctl init --types", does: "After an update: let the editor know new options" },
  ],
  exits: [{ code: exitCode.error, means: "a file is in the way, or could not be written" }],
  load: async () => (await import("./init.ts")).init,
});
