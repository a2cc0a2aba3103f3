import type { StoredEntry } from "@daruma/ledger";
import { otlpRequest } from "./otlp.ts";
import { syslogMessage } from "./syslog.ts";

export const formats = ["jsonl", "syslog", "otlp"] as const;
export type Format = (typeof formats)[number];

/** How a receiver is given a number of entries at once. */
export type Print<T = StoredEntry> = (items: readonly T[]) => string;

/** How things are written in each format: a line each, and as they go over a connection. */
export interface Printers<T> {
  readonly lines: Readonly<Record<Format, Print<T>>>;
  readonly frames: Readonly<Record<"jsonl" | "syslog", Print<T>>>;
}

/** One message a line: entries as they are stored, syslog messages, or OTLP requests as OpenTelemetry's file exporter has them. */
export const printLines: Readonly<Record<Format, Print>> = {
  jsonl: (entries) => lines(entries.map(({ line }) => line)),
  syslog: (entries) => lines(entries.map(syslogMessage)),
  otlp: (entries) => lines([JSON.stringify(otlpRequest(entries))]),
};

/** Over a connection a syslog message is preceded by its length (octet counting, RFC 6587 3.4.1, RFC 5425 4.3). */
export const printFrames: Readonly<Record<"jsonl" | "syslog", Print>> = {
  jsonl: printLines.jsonl,
  syslog: (entries) => octetCounted(entries.map(syslogMessage)),
};

export function octetCounted(messages: readonly string[]): string {
  return messages.map((message) => `${Buffer.byteLength(message)} ${message}`).join("");
}

export function lines(texts: readonly string[]): string {
  return texts.map((text) => `${text}\n`).join("");
}
