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

/** Of a schedule: more would not be looked at by anybody. */
const mostExpressions = 50;

/** The expressions that a schedule consists of: one a line, as in a crontab. At least one, which may be empty. */
export function expressionsOf(text: string): readonly string[] {
  const lines = text.split("\n").map((line) => line.trim());
  const found = lines.filter((line) => line !== "");
  return found.length === 0 ? [""] : found;
}

/**
 * Reads cron expressions and `@every DURATION`, one a line; due is whenever one of them is, once. All that is wrong is told at
 * once.
 */
export function parseSchedule(text: string, options: ScheduleOptions): ParsedSchedule {
  const expressions = expressionsOf(text);
  const [first = "", ...others] = expressions;
  if (others.length === 0) return parseOne(first, options);
  if (expressions.length > mostExpressions) {
    const message = `has ${expressions.length} lines; it may have ${mostExpressions}`;
    return { ok: false, problems: [{ path: "expression", message }] };
  }
  const schedules: Schedule[] = [];
  const problems: Problem[] = [];
  for (const [index, expression] of expressions.entries()) {
    const parsed = parseOne(expression, options);
    if (parsed.ok) schedules.push(parsed.schedule);
    else problems.push(...parsed.problems.map((problem) => inLine(index + 1, problem)));
  }
  if (problems.length === 0) return { ok: true, schedule: { next: (after) => firstOf(schedules, after) } };
  // What is wrong with the zone is wrong once.
  const isAgain = ({ path }: Problem, index: number) =>
    path === "timezone" && problems.findIndex((other) => other.path === path) < index;
  return { ok: false, problems: problems.filter((problem, index) => !isAgain(problem, index)) };
}

function inLine(number: number, { path, message }: Problem): Problem {
  return { path, message: path === "timezone" ? message : `${message} (in line ${number})` };
}

function firstOf(schedules: readonly Schedule[], after: number): number | null {
  const times = schedules.map(({ next }) => next(after)).filter((at) => at !== null);
  return times.length === 0 ? null : Math.min(...times);
}

function parseOne(expression: string, { timezone, name }: ScheduleOptions): ParsedSchedule {
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
