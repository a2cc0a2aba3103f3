import fc from "fast-check";
import t from "tap";
import { parseSchedule, upcoming } from "./schedule.ts";
import { scheduleOf } from "./test-support/ask.ts";

function problemsOf(expression: string, timezone = "UTC", name: string | null = null): readonly string[] {
  const parsed = parseSchedule(expression, { timezone, name });
  return parsed.ok ? [] : parsed.problems.map(({ path, message }) => `${path}: ${message}`);
}

t.test("what is wrong is told by field, and all of it at once", async (t) => {
  t.strictSame(problemsOf("61 24 0 13 8", "Europe/Berlim"), [
    "minute: 61 is not within 0 to 59",
    "hour: 24 is not within 0 to 23",
    "day of month: 0 is not within 1 to 31",
    "month: 13 is not within 1 to 12",
    "day of week: 8 is not within 0 to 7",
    'timezone: "Europe/Berlim" is no IANA time zone; did you mean Europe/Berlin?',
  ]);
});

t.test("one thing wrong each", async (t) => {
  for (const [expression, problem] of [
    ["", "expression: has 0 fields; a cron expression has 5, or 6 with seconds first"],
    ["* * * *", "expression: has 4 fields; a cron expression has 5, or 6 with seconds first"],
    ["* * * * * * *", "expression: has 7 fields; a cron expression has 5, or 6 with seconds first"],
    ["*/0 * * * *", "minute: a step of 0 never gets anywhere"],
    ["*/61 * * * *", "minute: a step of 61 is longer than the field, which has 60 values"],
    ["30-10 * * * *", "minute: the range 30-10 runs backwards"],
    ["1,,2 * * * *", "minute: there is an empty item in the list"],
    ["? * * * *", 'minute: "?" is not a value, a range or a step'],
    ["5L * * * *", 'minute: "5L" is not a value, a range or a step'],
    ["-1 * * * *", 'minute: "-1" is not a value, a range or a step'],
    ["1.5 * * * *", 'minute: "1.5" is not a value, a range or a step'],
    ["0x1 * * * *", 'minute: "0X1" is not a value, a range or a step'],
    ["* * * JANFEB *", 'month: "JANFEB" is no name; did you mean JAN?'],
    ["* * * * MONDAY", 'day of week: "MONDAY" is no name; did you mean MON?'],
    ["* * * * FRI-MON", "day of week: the range 5-1 runs backwards"],
    ["* * * * L", 'day of week: "L" is not a value, a range or a step'],
    ["* * * * MON#6", 'day of week: "1#6" is not a value, a range or a step'],
    ["* * * * 8L", 'day of week: "8L" is not a value, a range or a step'],
    ["* * 32W * *", 'day of month: "32W" is not a value, a range or a step'],
    ["* * L-31 * *", 'day of month: "L-31" is not a value, a range or a step'],
    ["H * * * *", "minute: H is spread by the routine's name, and there is none here"],
    ["H(50-70) * * * *", 'minute: "H(50-70)" is not a value, a range or a step'],
    ["@reboot", "expression: @reboot is no time; let the routine run at boot instead"],
    [
      "@fortnightly",
      'expression: "@fortnightly" is none of @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly or @every DURATION',
    ],
    ["@every", 'expression: needs a duration in s, m, h or d, such as "@every 15m"'],
    ["@every 10ms", 'expression: needs a duration in s, m, h or d, such as "@every 15m"'],
    ["@every 0s", "expression: must be at least 1s and at most 366d"],
    ["@every 9999d", "expression: must be at least 1s and at most 366d"],
    [`${"1,".repeat(600)}1 * * * *`, "expression: is longer than 1000 characters"],
  ] as const) {
    const name = expression.startsWith("H(") ? "nightly" : null;
    const expected = name === null ? problem : "minute: 70 is not within 0 to 59";
    t.strictSame(problemsOf(expression, "UTC", name), [expected], expression.slice(0, 40));
  }
});

t.test("several expressions, one a line, are due whenever one of them is, and once", async (t) => {
  const text = "0 8 * * MON\n\n  0 20 * * FRI\n@every 7d\n0 8 1 6 *";
  const parsed = parseSchedule(text, { timezone: "UTC", name: null });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  const times = upcoming(parsed.schedule, Date.UTC(2026, 4, 28), 5).map((at) => new Date(at).toISOString());
  t.same(
    times.map((at) => at.slice(0, 13)),
    ["2026-05-29T20", "2026-06-01T08", "2026-06-04T00", "2026-06-05T20", "2026-06-08T08"],
  );
  t.same(problemsOf("61 * * * *\n0 0 * * *\n* *", "Mars"), [
    "minute: 61 is not within 0 to 59 (in line 1)",
    'timezone: "Mars" is no IANA time zone; names look like Europe/Berlin or UTC',
    "expression: has 2 fields; a cron expression has 5, or 6 with seconds first (in line 3)",
  ]);
  t.match(problemsOf("* * * * *\n".repeat(51)), [/has 51 lines/]);
});

t.test("names of zones", async (t) => {
  for (const good of ["UTC", "utc", "US/Pacific", "europe/berlin", "Etc/GMT+5"]) {
    t.strictSame(problemsOf("* * * * *", good), [], good);
  }
  for (const bad of ["", "+02:00", "local", "Mars/Olympus", "Europe", "../UTC"]) {
    t.match(problemsOf("* * * * *", bad), [/^timezone: ".*" is no IANA time zone/], bad);
  }
});

// These may never change: a release that moved every routine of every host would be no small one.
const pinnedSpread = ["2025-01-01T12:33:00.000Z", "2025-01-01T10:34:00.000Z", "2025-06-17T12:33:00.000Z"];

t.test("H is spread by name, always alike, and over all there is", async (t) => {
  const first = (expression: string, name: string) =>
    new Date(scheduleOf(expression, "UTC", name).next(Date.UTC(2025, 0, 1) - 1) ?? 0).toISOString();
  t.strictSame(
    [first("H H * * *", "nightly"), first("H H * * *", "weekly"), first("H H H H *", "nightly")],
    pinnedSpread,
  );
  const minutes = new Set<number>();
  for (let index = 0; index < 2_000; index += 1) {
    minutes.add(new Date(first("H * * * *", `routine-${index}`)).getUTCMinutes());
  }
  t.equal(minutes.size, 60);
  const [a = 0, b = 0] = upcoming(scheduleOf("H/15 * * * *", "UTC", "nightly"), 0, 2);
  t.equal(b - a, 15 * 60_000);
  for (let index = 0; index < 200; index += 1) {
    const schedule = scheduleOf("0 0 H * *", "UTC", `routine-${index}`);
    t.ok(upcoming(schedule, Date.UTC(2025, 0, 1) - 1, 12).length === 12);
    const next = schedule.next(Date.UTC(2025, 1, 1) - 1) ?? 0;
    if (new Date(next).getUTCMonth() !== 1) t.fail("a monthly routine leaves out February");
  }
});

t.test("whatever is written is read or refused, never thrown at", async () => {
  const piece = fc.constantFrom(
    "*",
    "?",
    "L",
    "W",
    "H",
    "#",
    "/",
    "-",
    ",",
    "+",
    "(",
    ")",
    "MON",
    "JAN",
    "5",
    "0",
    "@",
  );
  const field = fc.oneof(
    fc.array(piece, { maxLength: 6 }).map((parts) => parts.join("")),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.array(field, { minLength: 1, maxLength: 7 }), (fields) => {
      const parsed = parseSchedule(fields.join(" "), { timezone: "Europe/Berlin", name: "x" });
      if (!parsed.ok) return parsed.problems.length > 0;
      const next = parsed.schedule.next(0);
      return next === null || next > 0;
    }),
    { numRuns: 2_000 },
  );
});

t.test("instants outside the calendar are a mistake of the caller", async (t) => {
  t.throws(() => scheduleOf("* * * * *").next(Number.NaN), RangeError);
  t.throws(() => scheduleOf("* * * * *").next(-1), RangeError);
  t.throws(() => scheduleOf("@every 1h").next(Number.POSITIVE_INFINITY), RangeError);
});
