import { exitCode } from "@daruma/base";
import { defineCommand } from "../cli/command.ts";
import { configOption } from "./options.ts";

export const devCommand = defineCommand({
  path: ["dev"],
  summary: "Run a host of a fleet here, without root, Nix or systemd",
  description:
    'Builds a generation from the fleet file, runs its agents under ledgerd and watchd, and tells what happens. Deploys again whenever the fleet file or a source() directory changes. Ctrl-C stops the agents gracefully, then the daemons; a second Ctrl-C does not wait for the agents. A nixpkg("x", "bin/y") is taken as the program y on PATH.',
  args: {},
  options: {
    config: configOption,
    host: {
      type: "text",
      value: "NAME",
      description: "The host of the fleet to run. Needed if it has several",
    },
    state: {
      type: "text",
      value: "DIR",
      description: "State directory. Default: .daruma beside the fleet file",
    },
    watch: {
      type: "flag",
      default: true,
      description: "Deploy again when the fleet file or a source changes",
    },
  },
  json: "lines",
  stopsItself: true,
  examples: [
    { run: "agentctl dev", does: "Run the only host of ./fleet.config.ts" },
    { run: "agentctl dev --config examples/etl-pipeline/fleet.config.ts", does: "Run an example" },
    { run: "agentctl dev --json | jq -c .event", does: "Follow it with a program" },
  ],
  exits: [
    { code: exitCode.interrupted, means: "everything was stopped after Ctrl-C" },
    { code: exitCode.terminated, means: "everything was stopped after SIGTERM" },
  ],
  load: async () => (await import("../dev/dev.ts")).dev,
});
