import { type Format, lines, octetCounted, type Printers } from "../stream/format.ts";
import { text } from "../stream/otlp.ts";
import { byteOrderMark, printable, structured } from "../stream/syslog.ts";
import type { LogLine } from "./log-line.ts";

/** A line on its way to a collector. */
export interface SentLine {
  readonly host: string;
  readonly line: LogLine;
  /** Unix time in microseconds, or null. */
  readonly timeUs: number | null;
  readonly cursor: string;
}

/** "system daemons" (RFC 5424, table 1). */
const facility = 3;

/** SeverityNumber of the OpenTelemetry logs data model, appendix B, by syslog severity. */
const severityNumbers = [21, 19, 18, 17, 13, 10, 9, 5] as const;

const printLines: Readonly<Record<Format, (sent: readonly SentLine[]) => string>> = {
  jsonl: (sent) => lines(sent.map(({ host, line }) => JSON.stringify({ host, ...line }))),
  syslog: (sent) => lines(sent.map((each) => syslogLine(each).replaceAll("\n", "\\n"))),
  otlp: (sent) => lines([JSON.stringify(otlpLines(sent))]),
};

export const logPrinters: Printers<SentLine> = {
  lines: printLines,
  frames: { jsonl: printLines.jsonl, syslog: (sent) => octetCounted(sent.map(syslogLine)) },
};

/** RFC 5424; the agent is the application, and the names are structured data. */
export function syslogLine({ host, line }: SentLine): string {
  const head = [
    `<${facility * 8 + line.severity}>1`,
    line.time ?? "-",
    printable(host, 255) || "-",
    printable(line.agent, 48),
    "-",
    "-",
  ].join(" ");
  return `${head} ${structured([["agent", line.agent], ...namesOf(line)])} ${byteOrderMark}${line.message}`;
}

/** An ExportLogsServiceRequest in the JSON form of OTLP 1. */
export function otlpLines(sent: readonly SentLine[]): object {
  const { host = "", line } = sent[0] ?? {};
  const resource = [
    text("service.name", line?.agent ?? ""),
    text("service.namespace", "daruma"),
    text("host.name", host),
  ];
  return {
    resourceLogs: [
      {
        resource: { attributes: resource },
        scopeLogs: [{ scope: { name: "daruma.agent", version: "1" }, logRecords: sent.map(logRecord) }],
      },
    ],
  };
}

function logRecord({ line, timeUs }: SentLine): object {
  return {
    ...(timeUs === null ? {} : { timeUnixNano: `${timeUs}000` }),
    observedTimeUnixNano: `${Date.now()}000000`,
    severityNumber: severityNumbers[line.severity] ?? 9,
    body: { stringValue: line.message },
    attributes: namesOf(line).map(([name, value]) => text(`daruma.${name}`, value)),
  };
}

function namesOf({ run, incident, generation }: LogLine): readonly (readonly [string, string])[] {
  const all = { run, incident, generation: generation === null ? null : String(generation) };
  return Object.entries(all).flatMap(([name, value]) => (value === null ? [] : [[name, value] as const]));
}
