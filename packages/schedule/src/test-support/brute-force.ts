/*
 * What a schedule means, a second time: by looking at every minute. It shares nothing with the code under test, neither the
 * way to an offset nor the way to a date, and it is as slow as that sounds.
 */
export interface Fields {
  readonly minutes: ReadonlySet<number>;
  readonly hours: ReadonlySet<number>;
  readonly monthDays: ReadonlySet<number> | null;
  readonly months: ReadonlySet<number>;
  readonly weekDays: ReadonlySet<number> | null;
  readonly both: boolean;
  readonly rhythm: boolean;
}

const minuteMs = 60_000;

/** What the clock of a zone shows at every minute of a window. */
export interface Window {
  readonly from: number;
  readonly to: number;
  /** The reading (as ms of a clock that shows UTC) at `from`, `from + 1 min`, … */
  readonly readings: readonly number[];
}

export function openWindow(zone: string, from: number, to: number): Window {
  const clock = clockOf(zone);
  const readings: number[] = [];
  for (let instant = from; instant < to; instant += minuteMs) readings.push(clock(instant));
  return { from, to, readings };
}

/** Every instant of a window at which a schedule is due. The window is to begin and end a day away from any change. */
export function dueWithin({ from, readings }: Window, fields: Fields): readonly number[] {
  const instantOf = new Map<number, number>();
  const all = readings.map((reading, index) => ({ reading, instant: from + index * minuteMs }));
  for (const { reading, instant } of all) {
    if (!instantOf.has(reading)) instantOf.set(reading, instant);
  }
  if (fields.rhythm) return all.filter(({ reading }) => isDue(fields, reading)).map(({ instant }) => instant);
  const due = new Set<number>();
  for (const [reading, instant] of instantOf) if (isDue(fields, reading)) due.add(instant);
  for (const [index, after] of readings.entries()) {
    const before = readings[index - 1];
    if (before === undefined || after - before <= minuteMs) continue;
    const jump = after - before - minuteMs;
    for (let missing = before + minuteMs; missing < after; missing += minuteMs) {
      const instant = instantOf.get(missing + jump);
      if (isDue(fields, missing) && instant !== undefined) due.add(instant);
    }
  }
  return [...due].sort((a, b) => a - b);
}

/** Days on which the offset of a zone changes, found by looking at noon of every day. Unix time in ms of the noon after. */
export function changesOf(zone: string, fromYear: number, toYear: number): readonly number[] {
  const clock = clockOf(zone);
  const changes: number[] = [];
  const end = Date.UTC(toYear, 0, 1);
  let before: number | undefined;
  for (let noon = Date.UTC(fromYear, 0, 1, 12); noon < end; noon += 86_400_000) {
    const offset = clock(noon) - noon;
    if (before !== undefined && before !== offset) changes.push(noon);
    before = offset;
  }
  return changes;
}

function isDue(fields: Fields, reading: number): boolean {
  const date = new Date(reading);
  if (!fields.minutes.has(date.getUTCMinutes()) || !fields.hours.has(date.getUTCHours())) return false;
  if (!fields.months.has(date.getUTCMonth() + 1)) return false;
  const { monthDays, weekDays, both } = fields;
  const inMonth = monthDays?.has(date.getUTCDate()) ?? true;
  const inWeek = weekDays?.has(date.getUTCDay()) ?? true;
  if (monthDays === null || weekDays === null || both) return inMonth && inWeek;
  return inMonth || inWeek;
}

function clockOf(zone: string): (instant: number) => number {
  const format = new Intl.DateTimeFormat("en-GB", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  });
  return (instant) => {
    // 09/03/2025, 03:30:00
    const [day, month, year, hour, minute, second] = format
      .format(instant)
      .split(/[/, :]+/)
      .map(Number);
    return Date.UTC(year ?? 0, (month ?? 0) - 1, day, hour, minute, second);
  };
}
