import { exitCode } from "@daruma/base";
import { defineCommand } from "../cli/command.ts";

export const checkHostCommand = defineCommand({
  path: ["check-host"],
  summary: "Check the options of a NixOS host, as its build does",
  description:
    "Holds services.daruma, written as JSON, against every rule of the fleet file, those across options too, and host.json against what agentctl would have made of it. The NixOS module runs it whenever the host is built; problems name the option.",
  args: {
    SETTINGS: { type: "text", required: true, description: "The value of services.daruma, as JSON" },
    HOST_JSON: { type: "text", required: true, description: "The host.json that Nix made of it" },
  },
  options: {},
  json: "document",
  examples: [
    {
      run: "agentctl check-host settings.json /etc/daruma/host.json",
      does: "Check a host whose options are in settings.json",
    },
  ],
  exits: [{ code: exitCode.error, means: "an option is not valid, or host.json is not what it says" }],
  load: async () => (await import("./check-host.ts")).checkHost,
});
