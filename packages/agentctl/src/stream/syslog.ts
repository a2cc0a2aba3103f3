import type { StoredEntry } from "@daruma/ledger";
import { labelsOf, severityOf } from "./entry-fields.ts";

/** "log audit" (RFC 5424, table 1). */
const facility = 13;
/** RFC 5424, table 2. */
const severities = { critical: 2, warning: 4, info: 6 } as const;

/**
 * Names our structured data. Daruma has no enterprise number of its own; this is the one for examples (RFC 5612), which no
 * other program's data is under.
 */
export const structuredDataId = "daruma@32473";

export const byteOrderMark = "\ufeff";

/**
 * An entry as a syslog message (RFC 5424): its names in structured data, and itself as the text, so that whoever has all of
 * them can still verify the chain.
 */
export function syslogMessage({ entry, line }: StoredEntry): string {
  const priority = facility * 8 + severities[severityOf(entry)];
  const header = [
    `<${priority}>1`,
    entry.time,
    printable(entry.host, 255),
    "daruma",
    "-",
    printable(entry.action, 32),
  ].join(" ");
  return `${header} ${structuredData(entry)} ${byteOrderMark}${line}`;
}

function structuredData(entry: StoredEntry["entry"]): string {
  return structured([["seq", String(entry.seq)], ["hash", entry.hash], ...labelsOf(entry)]);
}

/** One element of structured data (RFC 5424 6.3). */
export function structured(values: readonly (readonly [name: string, value: string])[]): string {
  const parameters = values.map(([name, value]) => ` ${name}="${value.replaceAll(/["\\\]]/g, "\\$&")}"`);
  return `[${structuredDataId}${parameters.join("")}]`;
}

/** PRINTUSASCII: what is none becomes a question mark. */
export function printable(text: string, most: number): string {
  return text.replaceAll(/[^!-~]/gu, "?").slice(0, most);
}
