import { exitCode } from "@daruma/base";
import { defineCommand } from "../cli/command.ts";
import { stateOption } from "./options.ts";

const nameArgument = { NAME: { type: "text", required: true, description: "Name of the agent" } } as const;
const unknownExit = { code: exitCode.unknownUnit, means: "there is no such agent" } as const;

export const logsCommand = defineCommand({
  path: ["logs"],
  summary: "Show what an agent has written",
  description:
    "On a host from the journal, under `agentctl dev` from the agent's own files, which bear no times. What run, generation and incident a line belongs to is found in the ledger; with --json each line says it. --incident shows what the agent wrote from a minute before the first failure until it was over; where there are no times, all that the runs of the incident have written.",
  args: nameArgument,
  options: {
    lines: {
      type: "integer",
      value: "N",
      short: "n",
      min: 0,
      max: Number.MAX_SAFE_INTEGER,
      description: "Only the newest lines. Default: 100, or all with --since or --incident",
    },
    follow: { type: "flag", short: "f", description: "Go on with new lines until interrupted" },
    since: {
      type: "text",
      value: "TIME",
      description:
        "Only lines from then on, such as 2026-11-27T10:00Z, or 10m for ten minutes ago; where there are no times, those of runs that have lived since",
    },
    incident: { type: "text", value: "ID", description: "Only what was written around this incident" },
    state: stateOption,
  },
  json: "lines",
  examples: [
    { run: "agentctl logs enricher --follow", does: "What it writes, as it does" },
    { run: "agentctl logs enricher --since 10m", does: "What it has written in the last ten minutes" },
    { run: "agentctl logs enricher --incident inc-5dafa2fae1-5", does: "What it had to say when it failed" },
    {
      run: "agentctl logs enricher --since 2026-11-27 --json | jq 'select(.severity <= 4)'",
      does: "Warnings and worse",
    },
  ],
  exits: [unknownExit],
  load: async () => (await import("./logs.ts")).logs,
});

export const logsExportCommand = defineCommand({
  path: ["logs", "export"],
  summary: "Stream what an agent writes to a log collector",
  description:
    "Begins with the oldest line that is kept, or after the one that the cursor file names, and goes on with new ones until interrupted. Formats, receivers and what acknowledged means are those of `agentctl ledger stream`: each line arrives at least once and in order. Each bears the agent, run, incident and generation.",
  args: nameArgument,
  options: {
    format: {
      type: "choice",
      value: "FORMAT",
      choices: ["jsonl", "syslog", "otlp"],
      default: "jsonl",
      description: "jsonl, syslog (RFC 5424; octet counting over tcp and tls) or otlp (OTLP/HTTP JSON logs)",
    },
    to: {
      type: "text",
      value: "WHERE",
      default: "-",
      description: "tcp://HOST:PORT, tls://HOST:PORT, http(s)://HOST/v1/logs, or - for stdout",
    },
    cursor: {
      type: "text",
      value: "FILE",
      description: "Where the last line that was acknowledged is kept; made if it is missing",
    },
    once: { type: "flag", description: "End with what there is by now, or after a minute without progress" },
    state: stateOption,
  },
  json: "lines",
  examples: [
    {
      run: "agentctl logs export enricher --format syslog --to tls://siem.example.com:6514 --cursor enricher.cursor",
      does: "Feed a SIEM",
    },
    {
      run: "agentctl logs export enricher --format otlp --to http://127.0.0.1:4318/v1/logs --cursor enricher.cursor",
      does: "Feed an OpenTelemetry collector",
    },
  ],
  exits: [unknownExit, { code: exitCode.unreachable, means: "with --once: the receiver cannot be reached" }],
  // What was acknowledged while it was being interrupted is still written down.
  stopsItself: true,
  load: async () => (await import("./logs-export.ts")).logsExport,
});
