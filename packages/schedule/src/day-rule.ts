import { type Bits, hasBit, isEmpty } from "./bits.ts";
import {
  type CivilDay,
  civilFromDays,
  daysFromCivil,
  daysInMonth,
  type Month,
  monthAfter,
  weekdayOf,
} from "./calendar.ts";

/** What a day-of-month field names. */
export interface MonthDays {
  /** 1 to 31. */
  readonly days: Bits;
  /** `L` is 0, `L-3` is 3: days before the last one. */
  readonly beforeLast: Bits;
  /** `15W`: the weekday (Monday to Friday) nearest to the 15th that is in the same month. */
  readonly nearestWeekday: Bits;
  /** `LW`: the last weekday of the month. */
  readonly lastWeekday: boolean;
}

/** What a day-of-week field names. */
export interface WeekDays {
  /** 0 for Sunday to 6 for Saturday. */
  readonly days: Bits;
  /** `TUE#3`: bit `7 * (n - 1) + weekday`, for n from 1 to 5. */
  readonly nth: Bits;
  /** `FRIL` or `FRI#L`: the last one of the month. */
  readonly last: Bits;
}

export interface DayRule {
  /** 1 to 12. */
  readonly months: Bits;
  /** Null for `*`. */
  readonly monthDays: MonthDays | null;
  /** Null for `*`. */
  readonly weekDays: WeekDays | null;
  /** With both fields: whether a day has to be in both (`+`) or in either. */
  readonly both: boolean;
}

/** The first day from `from` to `until`, in days since 1970-01-01, that a rule names. Null if there is none. */
export function nextDay(rule: DayRule, from: number, until: number): number | null {
  const start = civilFromDays(from);
  let month: Month = start;
  let day = start.day;
  let first = from - (start.day - 1);
  while (first <= until) {
    const length = daysInMonth(month);
    if (hasBit(rule.months, month.month)) {
      for (; day <= length; day += 1) {
        const days = first + day - 1;
        if (days > until) return null;
        if (matches(rule, { ...month, day }, days, length)) return days;
      }
    }
    first += length;
    month = monthAfter(month);
    day = 1;
  }
  return null;
}

export function isDay(rule: DayRule, days: number): boolean {
  const civil = civilFromDays(days);
  return hasBit(rule.months, civil.month) && matches(rule, civil, days, daysInMonth(civil));
}

function matches(
  { monthDays, weekDays, both }: DayRule,
  civil: CivilDay,
  days: number,
  length: number,
): boolean {
  if (monthDays === null) return weekDays === null || isWeekDay(weekDays, civil.day, days, length);
  if (weekDays === null) return isMonthDay(monthDays, civil, days, length);
  const inMonth = isMonthDay(monthDays, civil, days, length);
  if (inMonth !== both) return inMonth;
  return isWeekDay(weekDays, civil.day, days, length);
}

function isMonthDay(rule: MonthDays, civil: CivilDay, days: number, length: number): boolean {
  if (hasBit(rule.days, civil.day) || hasBit(rule.beforeLast, length - civil.day)) return true;
  if (!rule.lastWeekday && isEmpty(rule.nearestWeekday)) return false;
  const weekday = weekdayOf(days);
  if (weekday === 0 || weekday === 6) return false;
  if (rule.lastWeekday && civil.day === lastWeekdayOf(civil, length)) return true;
  // The nearest weekday is at most two days away: the 1st on a Saturday goes to Monday the 3rd.
  for (let target = Math.max(1, civil.day - 2); target <= Math.min(length, civil.day + 2); target += 1) {
    if (!hasBit(rule.nearestWeekday, target)) continue;
    if (nearestWeekdayOf(target, weekdayOf(days + target - civil.day), length) === civil.day) return true;
  }
  return false;
}

function lastWeekdayOf(month: Month, length: number): number {
  const weekday = weekdayOf(daysFromCivil({ ...month, day: length }));
  if (weekday === 0) return length - 2;
  return weekday === 6 ? length - 1 : length;
}

function nearestWeekdayOf(day: number, weekday: number, length: number): number {
  if (weekday === 6) return day === 1 ? 3 : day - 1;
  if (weekday === 0) return day === length ? day - 2 : day + 1;
  return day;
}

function isWeekDay(rule: WeekDays, day: number, days: number, length: number): boolean {
  const weekday = weekdayOf(days);
  if (hasBit(rule.days, weekday)) return true;
  if (hasBit(rule.nth, 7 * Math.floor((day - 1) / 7) + weekday)) return true;
  return length - day < 7 && hasBit(rule.last, weekday);
}
