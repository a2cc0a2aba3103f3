import { bitsOf } from "./bits.ts";
import type { MonthDays, WeekDays } from "./day-rule.ts";
import { withoutNames } from "./fields.ts";
import { type FieldReader, plainValues } from "./plain-fields.ts";

/*
 * What cron-parser knows only in part or not at all: `L`, `L-3`, `LW`, `15W`, `FRIL`, `TUE#3`, `FRI#L`, and any of them in
 * a list.
 */

/** A day-of-month field. Null for `*` and `?`: every day, and no say where the day of week says something. */
export function monthDaysOf(text: string, reader: FieldReader): MonthDays | null {
  if (text === "*" || text === "?") return null;
  const beforeLast: number[] = [];
  const nearestWeekday: number[] = [];
  let lastWeekday = false;
  const plain = text.split(",").filter((item) => {
    const last = /^L(?:-(\d{1,2}))?$/.exec(item);
    const nearest = /^(\d{1,2})W$/.exec(item);
    if (/^(?:LW|WL)$/.test(item)) lastWeekday = true;
    else if (last !== null && within(Number(last[1] ?? 0), 0, 30)) beforeLast.push(Number(last[1] ?? 0));
    else if (nearest !== null && within(Number(nearest[1]), 1, 31)) nearestWeekday.push(Number(nearest[1]));
    else return true;
    return false;
  });
  return {
    days: plainValues("day of month", plain, reader),
    beforeLast: bitsOf(beforeLast),
    nearestWeekday: bitsOf(nearestWeekday),
    lastWeekday,
  };
}

/** A day-of-week field without its `+`. Null for `*` and `?`. */
export function weekDaysOf(text: string, reader: FieldReader): WeekDays | null {
  if (text === "*" || text === "?") return null;
  const nth: number[] = [];
  const last: number[] = [];
  const plain = text.split(",").filter((item) => {
    const parts = /^([A-Z]{3}|\d)(?:#([1-5])|#?L)$/.exec(item);
    const day = withoutNames("day of week", parts?.[1] ?? "");
    if (parts === null || !/^[0-7]$/.test(day)) return true;
    const weekday = Number(day) % 7;
    if (parts[2] === undefined) last.push(weekday);
    else nth.push(7 * (Number(parts[2]) - 1) + weekday);
    return false;
  });
  return { days: plainValues("day of week", plain, reader), nth: bitsOf(nth), last: bitsOf(last) };
}

function within(value: number, min: number, max: number): boolean {
  return value >= min && value <= max;
}
