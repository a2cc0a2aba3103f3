import { agentctlErrors } from "../catalogue.ts";

/**
 * Entries bear RFC 3339 in UTC with milliseconds, which sorts as text. A time without a zone is one in UTC.
 *
 * @throws CLI_E_USAGE
 */
export function timeOf(option: string, text: string): string {
  const [, date, clock = "T00:00", zone = "Z"] =
    /^(\d{4}-\d\d-\d\d)(T\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?(Z|[+-]\d\d:\d\d)?$/.exec(text) ?? [];
  const time = date === undefined ? Number.NaN : Date.parse(`${date}${clock}${zone}`);
  if (!Number.isNaN(time)) return new Date(time).toISOString();
  throw agentctlErrors.make(
    "CLI_E_USAGE",
    `--${option} must be a time such as 2026-11-27T10:00:00Z, not ${text}`,
  );
}
