import { type Bits, nextBit } from "./bits.ts";
import { msPerDay } from "./calendar.ts";
import { type DayRule, isDay, nextDay } from "./day-rule.ts";
import type { Segment, Zone } from "./zone.ts";

/** What a cron expression says. */
export interface CronRule {
  readonly seconds: Bits;
  readonly minutes: Bits;
  readonly hours: Bits;
  readonly days: DayRule;
  /**
   * Whether the hour or the minute has a `*` or a step. Such a schedule is a rhythm and follows elapsed time: what the
   * clock leaves out does not exist, what it shows twice is passed twice. Any other is an appointment: a time that the
   * clock leaves out is kept as much later as the clock jumped, one that it shows twice is kept once, the first time.
   */
  readonly rhythm: boolean;
}

/**
 * How far to look: the rarest day that comes back at all is 29 February on a given weekday, up to 40 years apart (where
 * a year such as 2100 is no leap year). In ms.
 */
const horizonMs = 50 * 366 * msPerDay;

/** The last instant that a schedule is asked about: the end of the year 9999. */
export const lastInstant = 253_402_300_799_999;

/**
 * The first instant after `after` (Unix time in ms, not before 1970) at which the rule fires in a zone; a whole second.
 * Null if there is none in the next 50 years or before the year 10000: never.
 */
export function nextInstant(rule: CronRule, zone: Zone, after: number): number | null {
  const limit = Math.min(after + horizonMs, lastInstant);
  let known = after;
  while (known < limit) {
    const segment = zone.segmentAt(known + 1);
    const regular = nextRegular(rule, segment, known);
    const shifted = rule.rhythm ? null : nextShifted(rule, segment, known);
    const found = earliest(regular, shifted);
    if (found !== null) return found <= limit ? found : null;
    // Nothing fires before the clock, in any offset, can show the next time that the calendar allows. One day back, since
    // the next segment may show again what this one has shown.
    const local = nextLocal(rule, segment.end + segment.offset - msPerDay - 1, limit + 2 * msPerDay);
    if (local === null) return null;
    known = Math.max(segment.end - 1, local - 2 * msPerDay);
  }
  return null;
}

/** The first instant in a segment at which its clock shows a matching time; for appointments only a new one. */
function nextRegular(rule: CronRule, { start, end, offset, before }: Segment, after: number): number | null {
  const from = Math.max(after, start - 1) + offset;
  // Before the change the clock had already shown everything up to `start + before`.
  const shown = rule.rhythm ? from : Math.max(from, start + before - 1);
  const local = nextLocal(rule, shown, end + offset);
  return local === null || local - offset >= end ? null : local - offset;
}

/** The first instant for an appointment in the gap with which a segment begins: as late as without the jump. */
function nextShifted(rule: CronRule, { start, end, offset, before }: Segment, after: number): number | null {
  const gapEnd = start + offset;
  const from = Math.max(after, start - 1) + before;
  if (from + 1 >= gapEnd) return null;
  const local = nextLocal(rule, from, gapEnd);
  return local === null || local >= gapEnd || local - before >= end ? null : local - before;
}

function earliest(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.min(a, b);
}

/**
 * The first matching clock reading after `after`, both as ms since 1970-01-01 on that clock. Null if no day up to that of
 * `until` matches; on that day itself it may be later than `until`.
 */
function nextLocal(rule: CronRule, after: number, until: number): number | null {
  const next = (Math.floor(after / 1000) + 1) * 1000;
  const day = Math.floor(next / msPerDay);
  if (isDay(rule.days, day)) {
    const today = nextTime(rule, (next - day * msPerDay) / 1000);
    if (today !== null) return day * msPerDay + today * 1000;
  }
  const later = nextDay(rule.days, day + 1, Math.floor(until / msPerDay));
  const first = nextTime(rule, 0);
  return later === null || first === null ? null : later * msPerDay + first * 1000;
}

/** The first matching second of a day that is `from` or later. */
function nextTime(rule: CronRule, from: number): number | null {
  const fromHour = Math.floor(from / 3600);
  const hour = nextBit(rule.hours, fromHour);
  if (hour < 0) return null;
  if (hour > fromHour) return hour * 3600 + firstWithin(rule);
  const fromMinute = Math.floor(from / 60) % 60;
  const minute = nextBit(rule.minutes, fromMinute);
  if (minute === fromMinute) {
    const second = nextBit(rule.seconds, from % 60);
    if (second >= 0) return hour * 3600 + minute * 60 + second;
  }
  const laterMinute = minute > fromMinute ? minute : nextBit(rule.minutes, fromMinute + 1);
  if (laterMinute >= 0) return hour * 3600 + laterMinute * 60 + nextBit(rule.seconds, 0);
  const laterHour = nextBit(rule.hours, hour + 1);
  return laterHour < 0 ? null : laterHour * 3600 + firstWithin(rule);
}

/** The first matching second of an hour. */
function firstWithin(rule: CronRule): number {
  return nextBit(rule.minutes, 0) * 60 + nextBit(rule.seconds, 0);
}
