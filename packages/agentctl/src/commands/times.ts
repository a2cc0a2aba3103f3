import { agentctlErrors } from "../catalogue.ts";

/**
 * Unix time in ms of a time on the command line: 2026-11-27, 2026-11-27T10:00Z, 2026-11-27T10:00:00.5+01:00. Without a zone
 * it is one in UTC: this machine's own zone plays no part. Null if it is none.
 */
export function parseInstant(text: string): number | null {
  const [, date, clock = "T00:00", zone = "Z"] =
    /^(\d{4}-\d\d-\d\d)(T\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?(Z|[+-]\d\d:\d\d)?$/.exec(text) ?? [];
  const time = date === undefined ? Number.NaN : Date.parse(`${date}${clock}${zone}`);
  return Number.isNaN(time) ? null : time;
}

/** What is wrong with a text that `parseInstant` refuses, after the name of its option. */
export function notAnInstant(text: string): string {
  return `must be a time such as 2026-11-27T10:00:00Z, not ${text}`;
}

/**
 * The same for entries, which bear RFC 3339 in UTC with milliseconds: it sorts as text.
 *
 * @throws CLI_E_USAGE
 */
export function timeOf(option: string, text: string): string {
  const time = parseInstant(text);
  if (time !== null) return new Date(time).toISOString();
  throw agentctlErrors.make("CLI_E_USAGE", `--${option} ${notAnInstant(text)}`);
}
