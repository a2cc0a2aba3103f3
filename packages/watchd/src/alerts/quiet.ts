import { type AlertSeverity, alertSeverities, type QuietHours } from "@daruma/config";

/** Whether what is of this severity has to wait for the end of the quiet hours. */
export function isHeld(quiet: QuietHours | null, severity: AlertSeverity, now: number): boolean {
  return quiet !== null && rank(severity) < rank(quiet.except) && isQuiet(quiet, now);
}

/** Its place among severities, the least first. */
export function rank(severity: AlertSeverity): number {
  return alertSeverities.indexOf(severity);
}

/** Whether the clock in their time zone is between the two times: the first is in it, the second is not. */
export function isQuiet({ from, to, timezone }: QuietHours, now: number): boolean {
  const time = clockTime(timezone, now);
  return from < to ? time >= from && time < to : time >= from || time < to;
}

const clocks = new Map<string, Intl.DateTimeFormat>();
/** The last answer: a storm of alerts asks for the same moment thousands of times. */
let last = { timeZone: "", now: Number.NaN, time: "" };

function clockTime(timeZone: string, now: number): string {
  if (last.now !== now || last.timeZone !== timeZone) last = { timeZone, now, time: timeOf(timeZone, now) };
  return last.time;
}

function timeOf(timeZone: string, now: number): string {
  let clock = clocks.get(timeZone);
  if (clock === undefined) {
    clock = new Intl.DateTimeFormat("en-GB", {
      timeZone,
      hour: "2-digit",
      minute: "2-digit",
      hourCycle: "h23",
    });
    clocks.set(timeZone, clock);
  }
  return clock.format(now);
}
