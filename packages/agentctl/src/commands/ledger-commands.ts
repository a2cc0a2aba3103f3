import { exitCode } from "@daruma/base";
import { defineCommand } from "../cli/command.ts";
import { stateOption } from "./options.ts";

export const ledgerTailCommand = defineCommand({
  path: ["ledger", "tail"],
  summary: "Show the newest entries of the ledger as readable lines",
  description: "Tells what happened, oldest first. With --json: one stored entry a line, in its exact bytes.",
  args: {},
  options: {
    lines: {
      type: "integer",
      value: "N",
      short: "n",
      min: 0,
      max: Number.MAX_SAFE_INTEGER,
      default: 20,
      description: "How many entries to begin with",
    },
    follow: { type: "flag", short: "f", description: "Go on with new entries until interrupted" },
    state: stateOption,
  },
  json: "lines",
  examples: [
    { run: "agentctl ledger tail -n 50", does: "The last 50 entries" },
    { run: "agentctl ledger tail --follow --json | jq -r .action", does: "What happens, as it happens" },
  ],
  exits: [],
  load: async () => (await import("./ledger-read.ts")).ledgerTail,
});

export const ledgerExportCommand = defineCommand({
  path: ["ledger", "export"],
  summary: "Write the whole ledger as JSON lines that anyone can verify",
  description:
    "Each line is one entry in its exact stored bytes. Take the file to another machine and run `agentctl ledger verify` on it there. Without --out the lines go to stdout, with and without --json alike.",
  args: {},
  options: {
    out: { type: "text", value: "FILE", description: "Write to a file; it appears only once it is complete" },
    state: stateOption,
  },
  json: "lines",
  examples: [{ run: "agentctl ledger export --out ledger.jsonl", does: "Write it to a file" }],
  exits: [],
  load: async () => (await import("./ledger-read.ts")).ledgerExport,
});

export const ledgerKeyCommand = defineCommand({
  path: ["ledger", "key"],
  summary: "Show the key that signs the ledger's checkpoints",
  description:
    "One line, a vkey (C2SP signed-note). Give it to auditors and witnesses while you trust the host: with it, and only with it, `agentctl ledger verify` knows whose signature it sees.",
  args: {},
  options: {
    out: { type: "text", value: "FILE", description: "Write it to a file" },
    state: stateOption,
  },
  json: "document",
  examples: [
    { run: "agentctl ledger key --out etl-01.vkey", does: "Keep it where the host cannot change it" },
  ],
  exits: [],
  load: async () => (await import("./ledger-key.ts")).ledgerKeyOf,
});

export const ledgerVerifyCommand = defineCommand({
  path: ["ledger", "verify"],
  summary: "Verify an export, or the directory of a stopped ledgerd",
  description:
    "Recomputes every hash and every link. Needs no running Daruma and trusts nothing but the entries. Names the first bad entry and what is wrong with it. A chain alone does not show that its end was cut off: compare the head with one that was kept elsewhere.",
  args: { PATH: { type: "text", required: true, description: "An export, or the ledger directory" } },
  options: {},
  json: "document",
  examples: [
    { run: "agentctl ledger verify ledger.jsonl", does: "Verify an export" },
    {
      run: "agentctl ledger verify .daruma/ledger",
      does: "Verify the ledger of an `agentctl dev` that has ended",
    },
  ],
  exits: [{ code: exitCode.verification, means: "it does not verify" }],
  load: async () => (await import("./ledger-verify.ts")).ledgerVerify,
});
