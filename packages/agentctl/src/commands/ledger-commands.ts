import { exitCode } from "@daruma/base";
import { defineCommand } from "../cli/command.ts";
import { followOption, linesOption, stateOption } from "./options.ts";

export const ledgerTailCommand = defineCommand({
  path: ["ledger", "tail"],
  summary: "Show the newest entries of the ledger as readable lines",
  description: "Tells what happened, oldest first. With --json: one stored entry a line, in its exact bytes.",
  args: {},
  options: {
    lines: linesOption,
    follow: followOption,
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
  summary: "Write the ledger as JSON lines that anyone can verify",
  description:
    "Entries in their exact stored bytes, with a signed checkpoint over all of them and, where entries are left out, the hashes that stand for them. Take the file to another machine and run `agentctl ledger verify` on it there. With --since and --until alone, the export proves that nothing between was left out; with the other options it is a selection, which proves what it holds. Without --out the lines go to stdout, with and without --json alike.",
  args: {},
  options: {
    out: { type: "text", value: "FILE", description: "Write to a file; it appears only once it is complete" },
    since: { type: "text", value: "TIME", description: "From this time on: 2026-11-27, 2026-11-27T10:00Z" },
    until: { type: "text", value: "TIME", description: "Up to this time, inclusive" },
    actor: { type: "text", value: "NAME", description: "Only what this one has appended" },
    action: { type: "text", value: "NAME", description: "Only this action: agent.exit" },
    subject: { type: "text", value: "NAME", description: "Only what concerns this: agent/enricher" },
    state: stateOption,
  },
  json: "lines",
  examples: [
    { run: "agentctl ledger export --out ledger.jsonl", does: "Write it to a file" },
    {
      run: "agentctl ledger export --since 2026-11-01 --until 2026-11-30T23:59:59Z --out november.jsonl",
      does: "A month of it",
    },
  ],
  exits: [],
  load: async () => (await import("./ledger-export.ts")).ledgerExport,
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
    "Recomputes every hash, every link and the tree over them. Needs no running Daruma, and trusts nothing but the files that you give it. Names the first bad entry and what is wrong with it, and says how far the rest can be trusted: by itself it is a good chain, which whoever owns the disk could have made; with the ledger's key it is signed; with what a witness outside the host has seen it is witnessed, up to the last entry that it saw.",
  args: { PATH: { type: "text", required: true, description: "An export, or the ledger directory" } },
  options: {
    key: {
      type: "text",
      value: "FILE",
      description: "The ledger's public key, as `agentctl ledger key` printed it",
    },
    witness: {
      type: "text",
      value: "FILE",
      description:
        "What a witness knows: its public key, the checkpoints that it keeps, or an earlier export",
    },
  },
  json: "document",
  examples: [
    { run: "agentctl ledger verify ledger.jsonl", does: "Verify an export" },
    {
      run: "agentctl ledger verify .daruma/ledger",
      does: "Verify the ledger of an `agentctl dev` that has ended",
    },
    {
      run: "agentctl ledger verify ledger.jsonl --key etl-01.vkey --witness seen.jsonl",
      does: "Verify against a key and a record that were kept elsewhere",
    },
  ],
  exits: [{ code: exitCode.verification, means: "it does not verify" }],
  load: async () => (await import("./ledger-verify.ts")).ledgerVerify,
});
