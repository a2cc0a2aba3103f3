import { CronExpressionParser } from "cron-parser";
import t from "tap";
import { nextOf } from "./test-support/ask.ts";

/*
 * Instants that other schedulers got wrong, each with where. An instant is written without its seconds where they are 0.
 */
interface Row {
  readonly expression: string;
  readonly zone: string;
  readonly from: string;
  readonly next: readonly string[];
  readonly source: string;
}

const newYork = "America/New_York";

const appointments: readonly Row[] = [
  {
    source: "left out: the same minutes after the gap (croner's tests; its README and OCPS 1.4 leave it out)",
    expression: "30 2 * * *",
    zone: newYork,
    from: "2025-03-09T06:00Z",
    next: ["2025-03-09T07:30Z", "2025-03-10T06:30Z"],
  },
  {
    source: "left out, asked from within the hour before (node-cron #518 answers 2027-01-01)",
    expression: "30 2 * * *",
    zone: newYork,
    from: "2026-03-08T06:30Z",
    next: ["2026-03-08T07:30Z", "2026-03-09T06:30Z"],
  },
  {
    source: "left out, and the same instant as another time: once",
    expression: "30 2,3 * * *",
    zone: newYork,
    from: "2025-03-09T06:00Z",
    next: ["2025-03-09T07:30Z", "2025-03-10T06:30Z", "2025-03-10T07:30Z"],
  },
  {
    source: "shown twice: the first time",
    expression: "30 1 * * *",
    zone: newYork,
    from: "2025-11-02T04:00Z",
    next: ["2025-11-02T05:30Z", "2025-11-03T06:30Z"],
  },
  {
    source: "shown twice, asked from within the second hour (croner 10 answers an instant in the past)",
    expression: "30 1 * * *",
    zone: newYork,
    from: "2025-11-02T06:00Z",
    next: ["2025-11-03T06:30Z"],
  },
  {
    source: "shown twice (croner)",
    expression: "30 1 * * *",
    zone: "Europe/London",
    from: "2025-10-26T00:00Z",
    next: ["2025-10-26T00:30Z", "2025-10-27T01:30Z"],
  },
  {
    source: "shown twice, two of them (Temporal runs all four)",
    expression: "33 33,44 1 * * *",
    zone: "US/Pacific",
    from: "2021-11-07T07:15:15Z",
    next: ["2021-11-07T08:33:33Z", "2021-11-07T08:44:33Z", "2021-11-08T09:33:33Z"],
  },
  {
    source: "a day with a gap is a day (cronie #218 leaves out the week)",
    expression: "0 12 * * 0",
    zone: "Europe/Berlin",
    from: "2022-03-24T11:00Z",
    next: ["2022-03-27T10:00Z"],
  },
  {
    source: "a gap of two hours (cron-parser #435)",
    expression: "30 1 * * *",
    zone: "Antarctica/Troll",
    from: "2026-03-27T12:00Z",
    next: ["2026-03-28T01:30Z", "2026-03-29T01:30Z", "2026-03-29T23:30Z"],
  },
  {
    source: "a gap of half an hour: 02:30 exists (cron-parser answers 16:30 for it)",
    expression: "30 1,2 * * *",
    zone: "Australia/Lord_Howe",
    from: "2026-10-03T12:00Z",
    next: ["2026-10-03T15:00Z", "2026-10-03T15:30Z", "2026-10-04T14:30Z"],
  },
  {
    source: "half an hour is shown twice",
    expression: "45 1 * * *",
    zone: "Australia/Lord_Howe",
    from: "2026-04-04T12:00Z",
    next: ["2026-04-04T14:45Z", "2026-04-05T15:15Z"],
  },
  {
    source: "midnight is left out (cron-parser)",
    expression: "0 23,0 * * *",
    zone: "America/Santiago",
    from: "2026-09-05T02:00Z",
    next: ["2026-09-05T03:00Z", "2026-09-05T04:00Z", "2026-09-06T03:00Z", "2026-09-06T04:00Z"],
  },
  {
    source: "the hour before midnight is shown twice",
    expression: "30 23 * * *",
    zone: "America/Santiago",
    from: "2026-04-04T12:00Z",
    next: ["2026-04-05T02:30Z", "2026-04-06T03:30Z"],
  },
  {
    source: "30 December 2011 is left out (cron-parser)",
    expression: "0 12 * * *",
    zone: "Pacific/Apia",
    from: "2011-12-28T00:00Z",
    next: ["2011-12-28T22:00Z", "2011-12-29T22:00Z", "2011-12-30T22:00Z", "2011-12-31T22:00Z"],
  },
  {
    source: "an appointment on the day that is left out: as much later, a day",
    expression: "0 12 30 12 *",
    zone: "Pacific/Apia",
    from: "2011-12-28T00:00Z",
    next: ["2011-12-30T22:00Z", "2012-12-29T22:00Z"],
  },
  {
    source: "summer time in winter: Dublin's is negative (systemd #36897 loops)",
    expression: "30 1 * * *",
    zone: "Europe/Dublin",
    from: "2024-03-30T12:00Z",
    next: ["2024-03-31T01:30Z", "2024-04-01T00:30Z"],
  },
];

const rhythms: readonly Row[] = [
  {
    source: "every second of an hour that is shown twice (croner #343 pauses)",
    expression: "* * * * * *",
    zone: "Europe/Vienna",
    from: "2025-10-26T00:59:58Z",
    next: ["2025-10-26T00:59:59Z", "2025-10-26T01:00Z", "2025-10-26T01:00:01Z"],
  },
  {
    source: "every minute of an hour that is shown twice (croner's tests go on an hour later)",
    expression: "* * * * *",
    zone: "America/Los_Angeles",
    from: "2025-11-02T08:58Z",
    next: ["2025-11-02T08:59Z", "2025-11-02T09:00Z", "2025-11-02T09:01Z"],
  },
  {
    source: "every hour of a day with a gap (cron-parser #404)",
    expression: "0 * * * 7",
    zone: "Europe/Rome",
    from: "2025-03-29T00:00Z",
    next: ["2025-03-29T23:00Z", "2025-03-30T00:00Z", "2025-03-30T01:00Z", "2025-03-30T02:00Z"],
  },
  {
    source: "every minute over a gap (systemd #13872)",
    expression: "* * * * *",
    zone: "Australia/Sydney",
    from: "2019-10-05T15:58Z",
    next: ["2019-10-05T15:59Z", "2019-10-05T16:00Z", "2019-10-05T16:01Z"],
  },
  {
    source: "every hour, one of them shown twice (cron-parser)",
    expression: "0 * * * *",
    zone: "Europe/Athens",
    from: "2016-10-29T23:00:01Z",
    next: ["2016-10-30T00:00Z", "2016-10-30T01:00Z", "2016-10-30T02:00Z"],
  },
  {
    source: "minutes of one hour, which is shown twice on the only day of the year",
    expression: "*/30 1 2 11 *",
    zone: newYork,
    from: "2025-11-01T00:00Z",
    next: [
      "2025-11-02T05:00Z",
      "2025-11-02T05:30Z",
      "2025-11-02T06:00Z",
      "2025-11-02T06:30Z",
      "2026-11-02T06:00Z",
    ],
  },
];

const days: readonly Row[] = [
  ["0 12 15W * *", "2025-06-01T00:00Z", "2025-06-16T12:00Z"],
  ["0 12 1W * *", "2025-01-31T00:00Z", "2025-02-03T12:00Z"],
  ["0 12 31W * *", "2025-09-01T00:00Z", "2025-10-31T12:00Z", "2025-12-31T12:00Z"],
  ["0 12 31W 8 *", "2025-08-01T00:00Z", "2025-08-29T12:00Z"],
  ["0 0 L * *", "2025-02-01T00:00Z", "2025-02-28T00:00Z", "2025-03-31T00:00Z"],
  ["0 0 L-2 * *", "2024-02-01T00:00Z", "2024-02-27T00:00Z"],
  ["0 0 LW * *", "2025-08-01T00:00Z", "2025-08-29T00:00Z", "2025-09-30T00:00Z"],
  ["0 0 * * FRI#L", "2025-02-01T00:00Z", "2025-02-28T00:00Z"],
  ["0 0 * * 5L", "2025-02-01T00:00Z", "2025-02-28T00:00Z"],
  ["0 0 * * TUE#3", "2025-06-01T00:00Z", "2025-06-17T00:00Z"],
  ["0 0 * * MON#1,fri#5", "2025-07-08T00:00Z", "2025-08-04T00:00Z", "2025-08-29T00:00Z"],
  ["0 0 13 * FRI", "2025-06-01T00:00Z", "2025-06-06T00:00Z", "2025-06-13T00:00Z"],
  ["0 0 13 * +FRI", "2025-01-01T00:00Z", "2025-06-13T00:00Z", "2026-02-13T00:00Z"],
  ["0 0 29 2 *", "2096-03-01T00:00Z", "2104-02-29T00:00Z"],
  ["0 0 29 2 +MON", "2072-03-01T00:00Z", "2112-02-29T00:00Z"],
  ["0 0 ? * sat-sun", "2025-06-01T00:00Z", "2025-06-07T00:00Z", "2025-06-08T00:00Z"],
  ["0 0 1-5,3-7 JAN,mar-MAY *", "2025-02-01T00:00Z", "2025-03-01T00:00Z"],
  ["*/20 9-17 * * 1-5", "2025-06-06T17:40Z", "2025-06-09T09:00Z", "2025-06-09T09:20Z"],
  ["5/20 * * * *", "2025-06-06T17:40Z", "2025-06-06T17:45Z", "2025-06-06T18:05Z"],
  ["@yearly", "2025-06-06T17:40Z", "2026-01-01T00:00Z"],
  ["@Monthly", "2025-06-06T17:40Z", "2025-07-01T00:00Z"],
  ["@weekly", "2025-06-06T17:40Z", "2025-06-08T00:00Z"],
  ["@midnight", "2025-06-06T17:40Z", "2025-06-07T00:00Z"],
  ["@hourly", "2025-06-06T17:40Z", "2025-06-06T18:00Z"],
  ["@every 90m", "2025-06-06T17:40Z", "2025-06-06T18:00Z", "2025-06-06T19:30Z"],
].map(([expression = "", from = "", ...next]) => ({
  expression,
  from,
  next,
  zone: "UTC",
  source: "calendar",
}));

for (const { expression, zone, from, next, source } of [...appointments, ...rhythms, ...days]) {
  t.test(`${expression} in ${zone} after ${from}: ${source}`, async (t) => {
    t.strictSame(nextOf(expression, zone, from, next.length), next);
  });
}

t.test("a time that never comes is an answer", async (t) => {
  for (const [expression, zone] of [
    ["0 0 31 2 *", "UTC"],
    ["0 0 30,31 2 *", newYork],
    ["0 0 31W 4,6 *", "UTC"],
    ["0 0 1 1 +MON#2", "UTC"],
    // The second Sunday of March is the day without this hour, and a rhythm does not make up for it.
    ["*/15 2 * 3 SUN#2", newYork],
  ] as const) {
    t.strictSame(nextOf(expression, zone, "2024-01-01T00:00Z", 3), [], expression);
  }
  t.strictSame(nextOf("0 0 1 1 *", "UTC", "9998-06-01T00:00Z", 3), ["9999-01-01T00:00Z"]);
});

/* When one of these fails, cron-parser has been corrected: then docs/concepts/schedules.md is to say so. */
t.test("where cron-parser's own arithmetic says something else", async (t) => {
  const theirs = (expression: string, tz: string, from: string) =>
    CronExpressionParser.parse(expression, { tz, currentDate: new Date(from) })
      .next()
      .getTime();
  for (const [expression, zone, from, ours] of [
    ["30 1,2 * * *", "Australia/Lord_Howe", "2026-10-03T15:10Z", "2026-10-03T15:30Z"],
    ["*/30 1 * * *", newYork, "2025-11-02T05:30Z", "2025-11-02T06:00Z"],
  ] as const) {
    t.strictSame(nextOf(expression, zone, from, 1), [ours]);
    t.not(theirs(expression, zone, from), Date.parse(ours), `${expression} in ${zone}`);
  }
  t.throws(() => theirs("0 0 31 2 *", "UTC", "2025-01-01T00:00Z"), "never is an error there");
  t.throws(() => theirs("0 0 15W * *", "UTC", "2025-01-01T00:00Z"), "no W");
  t.throws(() => theirs("0 0 1-5,3-7 * *", "UTC", "2025-01-01T00:00Z"), "no overlapping lists");
});
