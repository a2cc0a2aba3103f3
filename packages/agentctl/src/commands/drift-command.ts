import { exitCode } from "@daruma/base";
import { defineCommand } from "../cli/command.ts";
import { stateOption, timeoutOption } from "./options.ts";

export const driftCommand = defineCommand({
  path: ["drift"],
  summary: "Show where the machine is not what its generation says",
  description:
    "Has watchd compare what runs with what is declared: /etc, units and what others have added to them, the agents' processes, the wall, and store paths as far as they have had their turn. Looks now; changes nothing, unless the host's drift policy is to correct. Paths in drift.ignore are left out.",
  args: {},
  options: {
    fix: {
      type: "flag",
      default: false,
      description:
        "Put right what can be, whatever the policy says: set aside what others have added, switch to the same generation again, restart what runs as it should not",
    },
    timeout: { ...timeoutOption, default: "10m" },
    state: stateOption,
  },
  json: "document",
  examples: [
    { run: "agentctl drift", does: "What differs, as a diff" },
    { run: "agentctl drift --fix", does: "Put it right, and show what is left" },
    {
      run: "agentctl drift --json | jq '.differences[] | select(.held)'",
      does: "What comes back however often it is put right",
    },
  ],
  exits: [
    { code: exitCode.ok, means: "nothing differs" },
    { code: exitCode.error, means: "something differs; with --fix: it still does" },
    { code: exitCode.unhealthy, means: "nothing differs that was looked at, but not all could be" },
    { code: exitCode.unreachable, means: "watchd cannot be reached, or a switch is under way" },
  ],
  load: async () => (await import("./drift.ts")).drift,
});
