import { exitCode } from "@daruma/base";
import { defineCommand } from "../cli/command.ts";
import { stateOption } from "./options.ts";

const seq = { type: "integer", min: 1, required: true, description: "The number of the entry" } as const;

export const ledgerPayloadCommand = defineCommand({
  path: ["ledger", "payload"],
  summary: "Show what is kept beside an entry",
  description:
    "An entry may commit to a payload instead of holding it: its details have the SHA-256 of a salt and the payload. Shows the payload, once it is compared with that; with --json the salt too. Exports hold entries only.",
  args: { SEQ: seq },
  options: { state: stateOption },
  json: "document",
  examples: [{ run: "agentctl ledger payload 1042", does: "What entry 1042 commits to" }],
  exits: [{ code: exitCode.verification, means: "it is not what the entry commits to" }],
  load: async () => (await import("./ledger-payload.ts")).ledgerPayloadOf,
});

export const ledgerEraseCommand = defineCommand({
  path: ["ledger", "erase"],
  summary: "Erase what is kept beside an entry",
  description:
    "Deletes the payload of an entry, and its salt, without which nobody can tell from the entry what it was. First the ledger says that and why; then it is deleted, and the files of the ledger are written anew and searched for it. The entries stay as they are, so everything verifies as before. Backups and copies are not reached. Asks before it does anything.",
  args: { SEQ: seq },
  options: {
    reason: { type: "text", value: "TEXT", description: "Why: recorded in the ledger" },
    yes: { type: "flag", short: "y", description: "Do not ask" },
    state: stateOption,
  },
  json: "document",
  examples: [
    { run: "agentctl ledger erase 1042 --reason 'request 77'", does: "Ask, record it, and erase it" },
  ],
  exits: [{ code: exitCode.error, means: "there is no payload, or its bytes are still on the disk" }],
  load: async () => (await import("./ledger-payload.ts")).ledgerErase,
});
