import fc from "fast-check";
import t from "tap";
import { parseSchedule, upcoming } from "./schedule.ts";
import { changesOf, dueWithin, type Fields, openWindow } from "./test-support/brute-force.ts";
import { findZone } from "./zone.ts";

/*
 * Every change of a clock from 2024 to 2030, against a matcher that looks at every minute. A few seeded zones by default;
 * DARUMA_ALL_ZONES=1 looks at all of them, which takes minutes.
 */
const everything = process.env.DARUMA_ALL_ZONES === "1";
const hourMs = 3_600_000;
const [fromYear, toYear] = [2024, 2031] as const;

/** Zones whose clocks do what few others do. */
const peculiar = [
  "Africa/Casablanca",
  "Africa/El_Aaiun",
  "America/Asuncion",
  "America/Havana",
  "America/Nuuk",
  "America/Santiago",
  "Antarctica/Troll",
  "Asia/Beirut",
  "Asia/Gaza",
  "Atlantic/Azores",
  "Australia/Lord_Howe",
  "Europe/Dublin",
  "Pacific/Chatham",
];

interface Drawn {
  readonly expression: string;
  readonly fields: Fields;
}

const minute = fc.integer({ min: 0, max: 59 });
const hour = fc.oneof(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 23 }));

/** A field as text, with what it says. Most change in the small hours, so these are drawn more often. */
const minuteField = fc.oneof(
  fc
    .uniqueArray(minute, { minLength: 1, maxLength: 3 })
    .map((values) => ({ text: values.join(","), values })),
  fc.constant({ text: "*", values: steps(0, 59, 1) }),
  fc.integer({ min: 2, max: 40 }).map((step) => ({ text: `*/${step}`, values: steps(0, 59, step) })),
);
const hourField = fc.oneof(
  fc.uniqueArray(hour, { minLength: 1, maxLength: 3 }).map((values) => ({ text: values.join(","), values })),
  fc
    .tuple(hour, hour)
    .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const)
    .map(([from, to]) => ({ text: `${from}-${to}`, values: steps(from, to, 1) })),
  fc.constant({ text: "*", values: steps(0, 23, 1) }),
  fc.integer({ min: 2, max: 12 }).map((step) => ({ text: `1-23/${step}`, values: steps(1, 23, step) })),
);
const dayField = (min: number, max: number) =>
  fc.option(fc.uniqueArray(fc.integer({ min, max }), { minLength: 1, maxLength: 4 }), { freq: 1 });

const drawn: fc.Arbitrary<Drawn> = fc
  .record({
    minutes: minuteField,
    hours: hourField,
    monthDays: dayField(1, 31),
    weekDays: dayField(0, 6),
    both: fc.boolean(),
  })
  .map(({ minutes, hours, monthDays, weekDays, both }) => ({
    expression: [
      minutes.text,
      hours.text,
      monthDays?.join(",") ?? "*",
      "*",
      `${both ? "+" : ""}${weekDays?.join(",") ?? "*"}`,
    ].join(" "),
    fields: {
      minutes: new Set(minutes.values),
      hours: new Set(hours.values),
      monthDays: monthDays === null ? null : new Set(monthDays),
      months: new Set(steps(1, 12, 1)),
      weekDays: weekDays === null ? null : new Set(weekDays),
      both,
      rhythm: /[*/]/.test(minutes.text + hours.text),
    },
  }));

function steps(from: number, to: number, step: number): number[] {
  const values: number[] = [];
  for (let value = from; value <= to; value += step) values.push(value);
  return values;
}

t.test("around every change of a clock, what is due is what looking at every minute finds", async (t) => {
  const seed = Number(process.env.SEED ?? 20_260_308);
  const zones = everything ? Intl.supportedValuesOf("timeZone") : peculiar;
  const changes = zones.flatMap((zone) => changesOf(zone, fromYear, toYear).map((at) => ({ zone, at })));
  const chosen = everything ? changes : fc.sample(fc.constantFrom(...changes), { seed, numRuns: 40 });
  const schedules = fc.sample(drawn, { seed, numRuns: chosen.length * 8 });
  for (const [index, { zone, at }] of chosen.entries()) {
    const window = openWindow(zone, at - 60 * hourMs, at + 36 * hourMs);
    const [from, to] = [at - 48 * hourMs, at + 12 * hourMs];
    for (const { expression, fields } of schedules.slice(index * 8, index * 8 + 8)) {
      const expected = dueWithin(window, fields).filter((instant) => instant > from && instant < to);
      const parsed = parseSchedule(expression, { timezone: zone, name: null });
      if (!parsed.ok) throw new Error(expression);
      const found = upcoming(parsed.schedule, from, expected.length + 1);
      const beyond = found.at(expected.length);
      const same = expected.every((instant, each) => instant === found[each]);
      if (!same || (beyond !== undefined && beyond < to)) {
        t.strictSame(found.map(print), expected.map(print), `${expression} in ${zone}, SEED=${seed}`);
      }
    }
  }
  t.ok(chosen.length >= 40, `${chosen.length} changes of ${zones.length} zones`);
});

t.test("looking every few days finds every change there is", async (t) => {
  const zones = everything ? Intl.supportedValuesOf("timeZone") : peculiar.slice(0, 4);
  for (const name of zones) {
    const zone = findZone(name);
    if (zone === null) throw new Error(name);
    const found: number[] = [];
    for (let at = Date.UTC(fromYear, 0, 1, 12); at < Date.UTC(toYear, 0, 1); ) {
      const segment = zone.segmentAt(at);
      if (segment.start > Date.UTC(fromYear, 0, 1, 12) && segment.before !== segment.offset) {
        if (found.at(-1) !== segment.start) found.push(segment.start);
      }
      at = segment.end;
    }
    const expected = changesOf(name, fromYear, toYear);
    t.equal(found.length, expected.length, name);
    for (const [index, noonAfter] of expected.entries()) {
      const at = found[index] ?? 0;
      if (at > noonAfter || at <= noonAfter - 24 * hourMs)
        t.fail(`${name}: ${print(at)}, ${print(noonAfter)}`);
    }
  }
});

const anywhere = fc.record({
  zone: fc.constantFrom("UTC", "America/New_York", "Asia/Kolkata", ...peculiar),
  schedule: drawn,
  second: fc.constantFrom("", "* ", "*/20 ", "7,30 "),
  from: fc.integer({ min: Date.UTC(1985, 0, 1), max: Date.UTC(2050, 0, 1) }),
  part: fc.double({ min: 0, max: 1, noNaN: true }),
});

t.test("the next instant is later, and the same from everywhere before it", async () => {
  fc.assert(
    fc.property(anywhere, ({ zone, schedule, second, from, part }) => {
      const parsed = parseSchedule(second + schedule.expression, { timezone: zone, name: null });
      if (!parsed.ok) throw new Error(schedule.expression);
      const next = parsed.schedule.next(from);
      if (next === null) return /\+/.test(schedule.expression);
      const between = Math.floor(from + part * (next - 1 - from));
      return next > from && next % 1000 === 0 && parsed.schedule.next(between) === next;
    }),
    { numRuns: 400, seed: Number(process.env.SEED ?? 7), endOnFailure: true },
  );
});

t.test("the time zone of this machine plays no part", async (t) => {
  const before = process.env.TZ;
  t.teardown(() => {
    if (before === undefined) delete process.env.TZ;
    else process.env.TZ = before;
  });
  const parsed = parseSchedule("30 2 * * *", { timezone: "America/New_York", name: null });
  if (!parsed.ok) throw new Error("not parsed");
  const answers = ["UTC", "Australia/Lord_Howe", "America/Santiago", "America/New_York"].map((zone) => {
    process.env.TZ = zone;
    return upcoming(parsed.schedule, Date.parse("2025-03-08T00:00Z"), 400).map(print).join();
  });
  t.equal(new Set(answers).size, 1);
});

function print(instant: number): string {
  return new Date(instant).toISOString();
}
