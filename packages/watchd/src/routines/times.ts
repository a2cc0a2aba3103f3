import { fire } from "./admission.ts";
import type { Span } from "./state.ts";
import { lastTime, nextTime } from "./timetable.ts";
import { note, patchRoutine, routineOf, type Turn } from "./turn.ts";

/*
 * From the clock to firings. The wall clock may be stepped at any moment, and the machine may sleep: what counts is that
 * every time is decided on once.
 */

/** A time is missed if nobody was there to decide on it within this. Longer than the longest sleep of a timer. */
const lateMs = 90_000;

/**
 * A clock that shows less than what has been decided on by up to this was stepped back, and waits until it is there again;
 * by more, it had been wrong, and its times are taken anew. As cron(8) has it.
 */
export const correctionMs = 3 * 3_600_000;

/** How many stretches of time a routine remembers, to know their times again after a correction. */
const mostSpans = 8;

/** How many times are caught up at most under `all`. What is beyond is told, and left. */
const mostCaughtUp = 1_000;

/** Decides on every time of a routine that has come. */
export function decideTimes(turn: Turn, name: string): void {
  const routine = routineOf(turn, name);
  if (routine === undefined || !routine.declared) return;
  const { wall } = turn.now;
  if (wall < routine.decidedUpTo - correctionMs) correctClock(turn, name);
  const { nextAt } = routineOf(turn, name) ?? routine;
  if (nextAt === null || nextAt > wall) return;
  if (nextAt < wall - lateMs) decideMissed(turn, name, wall - lateMs - 1);
  for (;;) {
    const current = routineOf(turn, name);
    if (current?.nextAt === null || current === undefined || current.nextAt > wall) return;
    const at = current.nextAt;
    const known = isKnown(current.spans, at);
    decideUpTo(turn, name, at);
    if (!known) fire(turn, name, "schedule", at);
  }
}

/** Times from the next one up to `until` were missed. */
function decideMissed(turn: Turn, name: string, until: number): void {
  const routine = routineOf(turn, name);
  if (routine === undefined || routine.nextAt === null) return;
  const { policy, nextAt, decidedUpTo } = routine;
  const last = lastTime(name, policy.schedules, decidedUpTo, until);
  if (last === null) return;
  const caughtUp =
    routine.pause === null ? timesToCatchUp(turn, name, nextAt, last) : { times: [], more: false };
  beginSpan(turn, name, (caughtUp.times[0] ?? last + 1) - 1);
  decideUpTo(turn, name, last);
  note(
    turn,
    name,
    "missed",
    {
      first: new Date(nextAt).toISOString(),
      last: new Date(last).toISOString(),
      policy: policy.missed.run,
      paused: routine.pause !== null,
      caughtUp: caughtUp.times.length,
      more: caughtUp.more,
    },
    { severity: caughtUp.times.length === 0 ? "warning" : "info" },
  );
  for (const at of caughtUp.times) fire(turn, name, "catch-up", at);
}

function timesToCatchUp(
  turn: Turn,
  name: string,
  first: number,
  last: number,
): { readonly times: readonly number[]; readonly more: boolean } {
  const { policy, spans = [] } = routineOf(turn, name) ?? {};
  if (policy === undefined || policy.missed.run === "skip") return { times: [], more: false };
  const oldest = turn.now.wall - policy.missed.withinMs;
  if (last < oldest) return { times: [], more: false };
  if (policy.missed.run === "one") return { times: isKnown(spans, last) ? [] : [last], more: false };
  const times: number[] = [];
  let at = nextTime(name, policy.schedules, Math.max(first, oldest) - 1);
  for (; at !== null && at <= last && times.length < mostCaughtUp; ) {
    if (!isKnown(spans, at)) times.push(at);
    at = nextTime(name, policy.schedules, at);
  }
  return { times, more: at !== null && at <= last };
}

/** The clock had been wrong by hours: its times begin anew from what it shows now. */
function correctClock(turn: Turn, name: string): void {
  const from = routineOf(turn, name)?.decidedUpTo ?? turn.now.wall;
  note(
    turn,
    name,
    "clock-corrected",
    { from: new Date(from).toISOString(), to: new Date(turn.now.wall).toISOString() },
    { severity: "warning" },
  );
  beginSpan(turn, name, turn.now.wall);
  decideUpTo(turn, name, turn.now.wall);
}

/** Every time up to `upTo` is decided on: the newest stretch reaches that far. */
function decideUpTo(turn: Turn, name: string, upTo: number): void {
  const { policy, spans = [] } = routineOf(turn, name) ?? {};
  const newest = spans.at(-1) ?? { from: upTo, to: upTo };
  patchRoutine(turn, name, {
    decidedUpTo: upTo,
    nextAt: nextTime(name, policy?.schedules ?? [], upTo),
    spans: [...spans.slice(0, -1), { ...newest, to: Math.max(newest.to, upTo) }],
  });
}

function beginSpan(turn: Turn, name: string, from: number): void {
  const spans = routineOf(turn, name)?.spans ?? [];
  patchRoutine(turn, name, { spans: [...spans, { from, to: from }].slice(-mostSpans) });
}

function isKnown(spans: readonly Span[], at: number): boolean {
  return spans.some(({ from, to }) => at > from && at <= to);
}
