import type { RoutineSpec } from "@daruma/config";
import { expressionsOf, findZone, parseSchedule, type Schedule, type Zone } from "@daruma/schedule";

/** The clocks of a zone change at least once in this time, if they do every year. */
const aheadMs = 400 * 86_400_000;

/** Clock readings that a zone leaves out, as Unix time would write them down. */
interface Gap {
  /** The first reading that is not there. */
  readonly from: number;
  /** The first one after it that is. */
  readonly to: number;
}

/**
 * The sentence for a routine with a time of day that its zone will leave out within the next year, or undefined. What is due more
 * often than the gap is long has nothing to lose by it.
 *
 * @param now Unix time in ms.
 */
export function gapProblem(name: string, { schedule }: RoutineSpec, now: number): string | undefined {
  if (schedule === null) return undefined;
  const { expression, timezone } = schedule;
  for (const each of expressionsOf(expression)) {
    const problem = gapProblemOf(name, { expression: each, timezone }, now);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function gapProblemOf(
  name: string,
  schedule: NonNullable<RoutineSpec["schedule"]>,
  now: number,
): string | undefined {
  const zone = findZone(schedule.timezone);
  // The same expression where every reading is there.
  const parsed = parseSchedule(schedule.expression, { timezone: "UTC", name });
  if (zone === null || !parsed.ok || /^@every\b/i.test(schedule.expression)) return undefined;
  for (const gap of gapsOf(zone, now)) {
    const missed = missedIn(parsed.schedule, gap);
    if (missed === undefined) continue;
    const shifted = missed + gap.to - gap.from;
    return `on ${day(missed)} ${schedule.timezone} leaves out ${time(missed)}: that run is at ${time(shifted)}, and whatever relies on the usual order sees another one`;
  }
  return undefined;
}

function missedIn({ next }: Schedule, { from, to }: Gap): number | undefined {
  const length = to - from;
  const isDue = (start: number) => {
    const due = next(start - 1);
    return due !== null && due < start + length ? due : undefined;
  };
  const missed = isDue(from);
  const isRhythm = isDue(from - length) !== undefined && isDue(to) !== undefined;
  return isRhythm ? undefined : missed;
}

function gapsOf(zone: Zone, now: number): Gap[] {
  const gaps: Gap[] = [];
  for (let at = now; at < now + aheadMs; ) {
    const { start, end, before, offset } = zone.segmentAt(at);
    if (start > now && offset > before) gaps.push({ from: start + before, to: start + offset });
    at = end;
  }
  return gaps;
}

function day(reading: number): string {
  return new Date(reading).toISOString().slice(0, 10);
}

function time(reading: number): string {
  return new Date(reading).toISOString().slice(11, 16);
}
