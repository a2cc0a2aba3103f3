import type { StoredEntry } from "@daruma/ledger";
import { labelsOf, severityOf } from "./entry-fields.ts";

/** SeverityNumber of the OpenTelemetry logs data model: INFO, WARN, FATAL. */
const severityNumbers = { info: 9, warning: 13, critical: 21 } as const;

/**
 * An ExportLogsServiceRequest in the JSON form of OTLP 1 (integers of 64 bits are texts). The body is the stored entry. Entries
 * of one ledger are of one host.
 */
export function otlpRequest(entries: readonly StoredEntry[]): object {
  const host = entries[0]?.entry.host ?? "";
  return {
    resourceLogs: [
      {
        resource: { attributes: [text("service.name", "daruma"), text("host.name", host)] },
        scopeLogs: [{ scope: { name: "daruma.ledger", version: "1" }, logRecords: entries.map(logRecord) }],
      },
    ],
  };
}

function logRecord({ entry, line }: StoredEntry): object {
  const { time, details } = entry;
  const severity = severityOf(entry);
  return {
    timeUnixNano: nanoseconds(typeof details.at === "string" ? details.at : time) ?? nanoseconds(time),
    observedTimeUnixNano: nanoseconds(time),
    severityNumber: severityNumbers[severity],
    severityText: severity,
    eventName: entry.action,
    body: { stringValue: line },
    attributes: [
      { key: "daruma.seq", value: { intValue: String(entry.seq) } },
      text("daruma.hash", entry.hash),
      ...labelsOf(entry).map(([name, value]) => text(`daruma.${name}`, value)),
    ],
  };
}

export function text(key: string, stringValue: string): object {
  return { key, value: { stringValue } };
}

/** Undefined for what is no time of ours. */
function nanoseconds(time: string): string | undefined {
  const ms = Date.parse(time);
  return Number.isNaN(ms) || ms < 0 ? undefined : `${ms}000000`;
}
