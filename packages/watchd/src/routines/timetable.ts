import { parseSchedule, type Schedule } from "@daruma/schedule";
import type { ScheduleText } from "./policy.ts";

/*
 * The times of a routine: of all its schedules together. Schedules are kept as text in the state and read once; what is
 * remembered here can be forgotten at any time.
 */
const read = new Map<string, Schedule>();
const mostRead = 50_000;

/** The first time after `after` that any of the schedules names, Unix ms. Null: never. */
export function nextTime(name: string, schedules: readonly ScheduleText[], after: number): number | null {
  let least: number | null = null;
  for (const text of schedules) {
    const at = scheduleOf(name, text).next(after);
    if (at !== null && (least === null || at < least)) least = at;
  }
  return least;
}

/**
 * The last time in (`after`, `until`] that any of the schedules names. Found by bisection, since the next time after an
 * instant never gets earlier as the instant gets later: a month of missed seconds costs forty questions.
 */
export function lastTime(
  name: string,
  schedules: readonly ScheduleText[],
  after: number,
  until: number,
): number | null {
  const within = (instant: number) => {
    const at = nextTime(name, schedules, instant);
    return at !== null && at <= until ? at : null;
  };
  let last = within(after);
  if (last === null) return null;
  let good = after;
  let bad = until;
  while (bad - good > 1) {
    const middle = Math.floor((good + bad) / 2);
    const at = within(middle);
    if (at === null) bad = middle;
    else {
      last = at;
      good = middle;
    }
  }
  return last;
}

/** @throws Error for what the compiler refuses: a manifest never holds it */
function scheduleOf(name: string, { expression, timezone }: ScheduleText): Schedule {
  const key = `${name}\n${timezone}\n${expression}`;
  const known = read.get(key);
  if (known !== undefined) return known;
  const parsed = parseSchedule(expression, { timezone, name });
  if (!parsed.ok) throw new Error(`the schedule of ${name} cannot be read: ${parsed.problems[0]?.message}`);
  if (read.size >= mostRead) read.clear();
  read.set(key, parsed.schedule);
  return parsed.schedule;
}
