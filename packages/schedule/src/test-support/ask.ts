import { parseSchedule, type Schedule, upcoming } from "../schedule.ts";

export function scheduleOf(expression: string, timezone = "UTC", name: string | null = null): Schedule {
  const parsed = parseSchedule(expression, { timezone, name });
  if (parsed.ok) return parsed.schedule;
  throw new Error(parsed.problems.map(({ path, message }) => `${path}: ${message}`).join("; "));
}

/** The next instants after `from`, as text. */
export function nextOf(expression: string, timezone: string, from: string, count: number): readonly string[] {
  const found = upcoming(scheduleOf(expression, timezone), Date.parse(from), count);
  return found.map((instant) => new Date(instant).toISOString().replace(/(:00)?\.000Z$/, "Z"));
}
