import { type Problem, suggest } from "@daruma/base";
import { lastInstant, nextInstant } from "./cron.ts";
import { parseExpression } from "./expression.ts";
import { nextMultiple, parseInterval } from "./interval.ts";
import { findZone } from "./zone.ts";

/** When something is due. What each expression means is told in docs/concepts/schedules.md. */
export interface Schedule {
  /**
   * The first instant after `after` that is due; always later than `after`, and the same for every instant from `after` up
   * to it. Unix time in ms. Null: never again (within 50 years, or before the year 10000).
   *
   * @throws RangeError if `after` is before 1970 or after the year 9999
   */
  readonly next: (after: number) => number | null;
}

export interface ScheduleOptions {
  /** IANA name. */
  readonly timezone: string;
  /** What `H` is spread by, not empty: the same name gives the same times for ever. Null refuses `H`. */
  readonly name: string | null;
}

export type ParsedSchedule =
  | { readonly ok: true; readonly schedule: Schedule }
  /** `path` is `timezone`, `expression`, or the name of a field of it. */
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Reads a cron expression or `@every DURATION`. All that is wrong is told at once. */
export function parseSchedule(expression: string, { timezone, name }: ScheduleOptions): ParsedSchedule {
  const zone = findZone(timezone);
  const wrongZone = zone === null ? [{ path: "timezone", message: zoneProblem(timezone) }] : [];
  if (/^@every\b/i.test(expression.trim())) {
    const interval = parseInterval(expression);
    if (!interval.ok) return { ok: false, problems: [...interval.problems, ...wrongZone] };
    if (zone === null) return { ok: false, problems: wrongZone };
    return { ok: true, schedule: { next: (after) => nextMultiple(interval.everyMs, checked(after)) } };
  }
  const parsed = parseExpression(expression, name);
  if (!parsed.ok) return { ok: false, problems: [...parsed.problems, ...wrongZone] };
  if (zone === null) return { ok: false, problems: wrongZone };
  return { ok: true, schedule: { next: (after) => nextInstant(parsed.rule, zone, checked(after)) } };
}

/** The next `count` instants after `from`, fewer if there are no more. */
export function upcoming(schedule: Schedule, from: number, count: number): readonly number[] {
  const found: number[] = [];
  for (let after: number | null = from; found.length < count; ) {
    after = schedule.next(after);
    if (after === null) break;
    found.push(after);
  }
  return found;
}

function checked(instant: number): number {
  if (instant >= 0 && instant <= lastInstant) return instant;
  throw new RangeError(`a schedule cannot be asked about ${instant}: it is not within 1970 to 9999`);
}

function zoneProblem(name: string): string {
  const meant = suggest(name, Intl.supportedValuesOf("timeZone"));
  const hint = meant === undefined ? "names look like Europe/Berlin or UTC" : `did you mean ${meant}?`;
  return `${JSON.stringify(name)} is no IANA time zone; ${hint}`;
}
