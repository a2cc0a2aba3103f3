import { exitCode } from "@daruma/base";
import { defineCommand } from "../cli/command.ts";
import { stateOption } from "./options.ts";

export const metricsCommand = defineCommand({
  path: ["metrics"],
  summary: "Print what is measured, as Prometheus reads it",
  description:
    "Asks watchd, ledgerd and egressd, each for at most a second, and looks at what agents and the host use; the same that metricsd serves on a host. What a daemon that does not answer would have told is left out, and daruma_up says so. On a host, only root may ask.",
  args: {},
  options: { state: stateOption },
  json: "document",
  examples: [
    { run: "agentctl metrics", does: "In the text format of Prometheus" },
    {
      run: "agentctl metrics --json | jq '.metrics[] | select(.name == \"daruma_agent_memory_bytes\")'",
      does: "How much memory each agent uses",
    },
  ],
  exits: [{ code: exitCode.unreachable, means: "no daemon answers" }],
  load: async () => (await import("./metrics.ts")).metrics,
});
