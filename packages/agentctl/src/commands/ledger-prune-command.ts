import { exitCode } from "@daruma/base";
import { defineCommand } from "../cli/command.ts";
import { stateOption } from "./options.ts";

export const ledgerPruneCommand = defineCommand({
  path: ["ledger", "prune"],
  summary: "Take the oldest entries away, keep the proofs",
  description:
    "Entries earlier than --before go, in whole blocks of 256; the newest 1,280 always stay. The hashes that stand for them stay in the tree, so everything that was signed, witnessed or proven can still be verified, and every proof can still be made. The ledger says up to which entry it was pruned, and why. What is gone cannot be brought back: export it first. Asks before it does anything. Refused where no checkpoint is over what would go.",
  args: {},
  options: {
    before: {
      type: "text",
      value: "TIME",
      description: "Entries earlier than this: 2026-11-27, 2026-11-27T10:00Z",
    },
    reason: { type: "text", value: "TEXT", description: "Why: recorded in the ledger" },
    "dry-run": { type: "flag", description: "Only tell what would go" },
    yes: { type: "flag", short: "y", description: "Do not ask" },
    state: stateOption,
  },
  json: "document",
  examples: [
    { run: "agentctl ledger prune --before 2026-01-01 --dry-run", does: "What would go" },
    {
      run: "agentctl ledger prune --before 2026-01-01 --reason 'kept for a year'",
      does: "Ask, record it, and take it away",
    },
  ],
  exits: [{ code: exitCode.error, means: "no checkpoint is over what would go, or the answer was not yes" }],
  load: async () => (await import("./ledger-prune.ts")).ledgerPrune,
});
