import { defineCommand } from "../cli/command.ts";

export const schemaCommand = defineCommand({
  path: ["schema"],
  summary: "Print the JSON Schema of the fleet file or of host.json",
  description:
    "For editors and programs that write or read these documents: JSON Schema, draft 2020-12, from the schema that agentctl itself checks with. It says what a single value may be; what several have to be together, `agentctl check` says.",
  args: {},
  options: {
    of: {
      type: "choice",
      value: "DOCUMENT",
      choices: ["fleet", "host"],
      default: "fleet",
      description:
        "Of what: fleet, what a fleet file exports, or host, the host.json that Nix writes on a host",
    },
  },
  json: "document",
  examples: [
    { run: "agentctl schema > fleet.schema.json", does: "Keep the schema of the fleet file" },
    { run: "agentctl schema --of host", does: "See what /etc/daruma/host.json has in it" },
  ],
  exits: [],
  load: async () => (await import("./schema.ts")).schema,
});
