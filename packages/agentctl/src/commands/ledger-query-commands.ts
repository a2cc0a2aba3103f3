import { exitCode } from "@daruma/base";
import { defineCommand } from "../cli/command.ts";
import { stateOption } from "./options.ts";

export const ledgerQueryCommand = defineCommand({
  path: ["ledger", "query"],
  summary: "Find entries by what they say and by their time",
  description:
    "Everything that is given must hold. Tells what was found, oldest first; with --limit, the newest of it. Answered from the ledger's indexes. With --json: one stored entry a line, in its exact bytes.",
  args: {},
  options: {
    since: { type: "text", value: "TIME", description: "From this time on: 2026-11-27, 2026-11-27T10:00Z" },
    until: { type: "text", value: "TIME", description: "Up to this time, inclusive" },
    actor: { type: "text", value: "NAME", description: "What this one has appended" },
    action: { type: "text", value: "NAME", description: "This action, or those that begin so: generation.*" },
    subject: {
      type: "text",
      value: "NAME",
      description: "What concerns this: an agent, a generation's path",
    },
    incident: { type: "text", value: "ID", description: "Of this incident" },
    run: { type: "text", value: "ID", description: "Of this run of an agent" },
    limit: {
      type: "integer",
      value: "N",
      min: 0,
      max: Number.MAX_SAFE_INTEGER,
      description: "Only the newest N; without it, all",
    },
    follow: { type: "flag", short: "f", description: "Go on with new entries that match until interrupted" },
    state: stateOption,
  },
  json: "lines",
  examples: [
    {
      run: "agentctl ledger query --subject enricher --since 2026-11-27",
      does: "What happened to an agent since yesterday",
    },
    {
      run: "agentctl ledger query --action 'generation.*' --limit 5",
      does: "The last five changes of generation",
    },
  ],
  exits: [],
  load: async () => (await import("./ledger-query.ts")).ledgerQuery,
});

export const ledgerIncidentCommand = defineCommand({
  path: ["ledger", "incident"],
  summary: "List incidents, or tell one from beginning to end",
  description:
    "An incident is everything from the first failure of an agent until it is healthy again. With an ID: what the agent did before, each step since the first failure, the rules that allowed or forbade a rollback, the last lines of its log where they can be read, and what it did after.",
  args: { ID: { type: "text", required: false, description: "The incident; without it, all are listed" } },
  options: {
    limit: {
      type: "integer",
      value: "N",
      min: 1,
      max: Number.MAX_SAFE_INTEGER,
      default: 20,
      description: "List the newest N",
    },
    md: { type: "flag", description: "Tell it as Markdown" },
    state: stateOption,
  },
  json: "document",
  examples: [
    { run: "agentctl ledger incident", does: "Which incidents there were, the newest first" },
    { run: "agentctl ledger incident inc-1f9c-7 --md > incident.md", does: "A post-mortem to go on from" },
  ],
  exits: [{ code: exitCode.usage, means: "there is no such incident" }],
  load: async () => (await import("./ledger-incident.ts")).ledgerIncident,
});

export const ledgerReindexCommand = defineCommand({
  path: ["ledger", "reindex"],
  summary: "Make the ledger's indexes anew from its entries",
  description:
    "A running ledgerd does it while it serves; appending goes on, and until it is done questions by label or time are refused. With a DIR it is done here, on the ledger of a ledgerd that does not run, as the user to whom it belongs. It may be interrupted: ledgerd goes on with it, or does so when it starts. With --check nothing is written: the indexes are compared with all entries.",
  args: {
    DIR: { type: "text", required: false, description: "The directory of a ledger that no ledgerd has open" },
  },
  options: {
    check: { type: "flag", description: "Compare only" },
    state: stateOption,
  },
  json: "document",
  examples: [
    { run: "agentctl ledger reindex --check", does: "Whether the indexes are right" },
    { run: "agentctl ledger reindex .daruma/ledger", does: "After an `agentctl dev` that has ended" },
  ],
  exits: [{ code: exitCode.error, means: "with --check: they are not" }],
  load: async () => (await import("./ledger-reindex.ts")).ledgerReindex,
});

export const ledgerTraceCommand = defineCommand({
  path: ["ledger", "trace"],
  summary: "Tell where a record came from, or what it touched",
  description:
    "Follows what agents have said that they consumed and produced. RECORD is TYPE:ID, run:ID or generation:N. What a run, or an activity within it, had consumed before it produced a record is where that came from (--up, the default); what it produced after it had consumed a record is what that touched (--down). With --json each step carries its entry and the proof that it is in the ledger, and the signed checkpoint that all proofs lead to.",
  args: { RECORD: { type: "text", required: true, description: "TYPE:ID, run:ID or generation:N" } },
  options: {
    up: { type: "flag", description: "Where it came from; this is the default" },
    down: { type: "flag", description: "What it touched" },
    depth: {
      type: "integer",
      value: "N",
      min: 1,
      max: 1000,
      default: 10,
      description: "How many activities away to go",
    },
    limit: {
      type: "integer",
      value: "N",
      min: 1,
      max: 100_000,
      default: 1000,
      description: "How many steps to show at most",
    },
    "record-version": { type: "text", value: "VERSION", description: "Only this version of the record" },
    format: {
      type: "choice",
      value: "FORMAT",
      choices: ["tree", "openlineage", "prov"],
      default: "tree",
      description:
        "tree (with --json: the graph with its proofs), openlineage (events of OpenLineage 2-0-2, one a line) or prov (PROV-JSON)",
    },
    state: stateOption,
  },
  json: "document",
  examples: [
    { run: "agentctl ledger trace table:orders", does: "Where the table came from" },
    { run: "agentctl ledger trace file:s3://in/a.csv --down", does: "What a source went into" },
    {
      run: "agentctl ledger trace generation:7 --down --json",
      does: "What a bad generation touched, with proofs",
    },
  ],
  exits: [{ code: exitCode.usage, means: "the ledger says nothing about it" }],
  load: async () => (await import("./ledger-trace.ts")).ledgerTrace,
});
