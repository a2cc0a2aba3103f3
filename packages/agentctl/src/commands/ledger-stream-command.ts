import { exitCode } from "@daruma/base";
import { defineCommand } from "../cli/command.ts";
import { stateOption } from "./options.ts";

export const ledgerStreamCommand = defineCommand({
  path: ["ledger", "stream"],
  summary: "Stream entries to a log collector, and resume later",
  description:
    "Begins with the first entry, or after the one that the cursor file names, and goes on with new ones until interrupted. A receiver or ledgerd that is away is tried again with growing pauses. Each entry arrives at least once and in order; where it could have been lost it is sent again, with the same seq and hash. The cursor is written, and synced, after each acknowledgement: an answer of 2xx over http; over tcp and tls, where syslog has none, that the connection has stood for a second after the entry was written; on stdout, that the pipe has taken it. Headers for http, such as an authorization, come from OTEL_EXPORTER_OTLP_HEADERS (name=value,…).",
  args: {},
  options: {
    format: {
      type: "choice",
      value: "FORMAT",
      choices: ["jsonl", "syslog", "otlp"],
      default: "jsonl",
      description:
        "jsonl (the stored entries), syslog (RFC 5424; octet counting over tcp and tls) or otlp (OTLP/HTTP JSON logs)",
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
      description: "Where the last entry that was acknowledged is kept; made if it is missing",
    },
    once: {
      type: "flag",
      description: "End with what there is by now, or after a minute without progress",
    },
    state: stateOption,
  },
  json: "lines",
  examples: [
    {
      run: "agentctl ledger stream --format syslog --to tls://siem.example.com:6514 --cursor /var/lib/siem/cursor",
      does: "Feed a SIEM",
    },
    {
      run: "agentctl ledger stream --format otlp --to http://127.0.0.1:4318/v1/logs --cursor otlp.cursor",
      does: "Feed an OpenTelemetry collector",
    },
    {
      run: "agentctl ledger stream --once --cursor nightly.cursor >> archive.jsonl",
      does: "What is new since the last time",
    },
  ],
  exits: [{ code: exitCode.unreachable, means: "with --once: the receiver or ledgerd cannot be reached" }],
  // What was acknowledged while it was being interrupted is still written down.
  stopsItself: true,
  load: async () => (await import("./ledger-stream.ts")).ledgerStream,
});
