import t from "tap";
import { type Fate, Machine, story } from "./fixtures/machine.ts";

const ok = (takesMs: number): Fate => ({ takesMs, cause: { kind: "exit", code: 0 } });
const failed = (takesMs: number, code = 1): Fate => ({ takesMs, cause: { kind: "exit", code } });
const every = (expression: string) => [{ expression, timezone: "UTC" }];
const minute = 60_000;
const hour = 60 * minute;

function machineWith(fate: Fate, start = "2026-01-01T00:00:30Z"): Machine {
  return new Machine(start, () => fate);
}

t.test("a firing is told, started and finished, each with the time that it is for", async (t) => {
  const machine = machineWith(ok(10_000));
  machine.declare({ etl: { schedules: every("* * * * *") } });
  machine.pass(45_000);
  t.same(story(machine), ["fired 00:01:00", "started 00:01:00", "finished 00:01:00 succeeded"]);
  t.match(machine.records, [
    { action: "routine.fired", subject: "etl", details: { trigger: "schedule" } },
    { at: Date.parse("2026-01-01T00:01:00Z"), details: { attempt: 1, latenessMs: 0 } },
    { details: { tookMs: 10_000, attempts: 1, exit: { code: 0 } } },
  ]);
});

t.test("overlap skip: what comes while one runs is skipped, and the schedule goes on", async (t) => {
  const machine = machineWith(ok(150_000));
  machine.declare({ etl: { schedules: every("* * * * *") } });
  machine.pass(5 * minute);
  t.same(story(machine), [
    ...["fired 00:01:00", "started 00:01:00"],
    ...["fired 00:02:00", "skipped 00:02:00 overlap"],
    ...["fired 00:03:00", "skipped 00:03:00 overlap"],
    ...["finished 00:01:00 succeeded", "fired 00:04:00", "started 00:04:00"],
    ...["fired 00:05:00", "skipped 00:05:00 overlap"],
  ]);
});

t.test(
  "overlap queue: one at a time, in order, none lost; what is beyond the limit is dropped",
  async (t) => {
    const machine = machineWith(ok(150_000));
    machine.declare({ etl: { schedules: every("0-4 0 * * *"), overlap: { kind: "queue", limit: 2 } } });
    machine.pass(hour);
    const told = story(machine);
    t.same(
      told.filter((line) => line.startsWith("started")),
      ["started 00:01:00", "started 00:02:00", "started 00:03:00", "started 00:04:00"],
    );
    t.same(told.filter((line) => /^(queued|dropped)/.test(line)).length, 3);

    const narrow = machineWith(ok(10 * minute));
    narrow.declare({ etl: { schedules: every("0-4 0 * * *"), overlap: { kind: "queue", limit: 1 } } });
    narrow.pass(hour);
    t.same(
      story(narrow).filter((line) => /^(started|dropped)/.test(line)),
      ["started 00:01:00", "dropped 00:03:00 queue-full", "dropped 00:04:00 queue-full", "started 00:02:00"],
    );
  },
);

t.test("overlap parallel: up to the limit at once", async (t) => {
  const machine = machineWith(ok(150_000));
  machine.declare({ etl: { schedules: every("* * * * *"), overlap: { kind: "parallel", limit: 2 } } });
  machine.pass(170_000);
  t.equal(machine.alive.size, 2);
  t.ok(story(machine).includes("skipped 00:03:00 overlap"));
});

t.test("overlap replace: the old one is stopped first, then the new one starts", async (t) => {
  const machine = machineWith(ok(150_000));
  machine.declare({ etl: { schedules: every("* * * * *"), overlap: { kind: "replace" }, retries: 3 } });
  machine.pass(2 * minute);
  t.same(story(machine), [
    ...["fired 00:01:00", "started 00:01:00", "fired 00:02:00", "queued 00:02:00 overlap"],
    ...["finished 00:01:00 replaced", "started 00:02:00"],
  ]);
});

t.test("a group has one run at a time, in the order in which they fired", async (t) => {
  const machine = machineWith(ok(90_000));
  const group = "warehouse";
  machine.declare({
    b: { schedules: every("1 0 * * *"), group },
    a: { schedules: every("2 0 * * *"), group },
    other: { schedules: every("2 0 * * *") },
  });
  machine.pass(5 * minute);
  const told = machine.records.map(({ action, subject }) => `${subject} ${action.slice(8)}`);
  t.ok(told.indexOf("a queued") > 0);
  t.ok(told.indexOf("a started") > told.indexOf("b finished"));
  t.ok(told.indexOf("other started") < told.indexOf("b finished"));
});

t.test("missed: none, the last one, or each within the window", async (t) => {
  for (const [run, expected] of [
    ["skip", []],
    ["one", ["caught-up 05:00:00"]],
    ["all", ["caught-up 03:00:00", "caught-up 04:00:00", "caught-up 05:00:00"]],
  ] as const) {
    const machine = machineWith(ok(1_000));
    machine.declare({
      etl: {
        schedules: every("0 * * * *"),
        missed: { run, withinMs: 2.6 * hour },
        overlap: { kind: "queue", limit: 9 },
      },
    });
    machine.reboot(5.5 * hour);
    machine.pass(hour);
    const told = story(machine);
    t.same(
      told.filter((line) => line.startsWith("caught-up")),
      expected,
      run,
    );
    t.match(
      machine.records.find(({ action }) => action === "routine.missed"),
      { details: { first: "2026-01-01T01:00:00.000Z", last: "2026-01-01T05:00:00.000Z", policy: run } },
    );
    t.equal(told.filter((line) => line.startsWith("finished")).length, expected.length + 1, "and it goes on");
  }
  const late = machineWith(ok(1_000));
  late.declare({ etl: { schedules: every("0 1 * * *"), missed: { run: "one", withinMs: hour } } });
  late.reboot(5 * hour);
  t.same(story(late), ["missed"], "longer ago than the window");
});

t.test("a month of missed seconds costs no month of work", async (t) => {
  const machine = machineWith(ok(10));
  machine.declare({ etl: { schedules: every("* * * * * *"), missed: { run: "one", withinMs: hour } } });
  machine.reboot(30 * 24 * hour);
  t.equal(story(machine).filter((line) => line.startsWith("caught-up")).length, 1);
  t.ok(machine.records.length < 500, `${machine.records.length} records`);
});

t.test("a clock that is stepped back runs no time twice; forward is one missed series", async (t) => {
  const machine = machineWith(ok(1_000));
  machine.declare({ etl: { schedules: every("*/10 * * * *") } });
  machine.pass(30 * minute);
  const before = story(machine).length;
  machine.step(-25 * minute);
  machine.pass(20 * minute);
  t.equal(story(machine).length, before, "nothing until the clock is there again");
  machine.pass(15 * minute);
  t.ok(story(machine).slice(before).includes("fired 00:40:00"));
  machine.step(2 * hour);
  machine.pass(1_000);
  const times = machine.records
    .filter(({ action }) => /fired|caught/.test(action))
    .map((r) => r.details.nominal);
  t.equal(new Set(times).size, times.length);
  t.equal(story(machine).filter((line) => line.startsWith("caught-up")).length, 1);
});

t.test("a clock that was wrong by years does not silence a routine", async (t) => {
  const machine = machineWith(ok(1_000));
  machine.declare({ etl: { schedules: every("0 * * * *"), missed: { run: "skip", withinMs: hour } } });
  machine.step(12 * 365 * 24 * hour);
  machine.pass(2 * hour);
  machine.step(-12 * 365 * 24 * hour);
  machine.pass(2 * hour);
  t.ok(story(machine).some((line) => line.startsWith("clock-corrected")));
  t.match(machine.records.at(-1), { action: "routine.finished", details: { nominal: /^2026-01-01T0[34]/ } });
  t.match(machine.state.routines.get("etl"), { decidedUpTo: /^17/ });
});

t.test("a correction of hours shows times again that have been run: they are known", async (t) => {
  const machine = machineWith(ok(1_000));
  machine.declare({ etl: { schedules: every("0 * * * *") } });
  machine.pass(5 * hour);
  machine.step(-4 * hour);
  machine.pass(5 * hour);
  const times = machine.records
    .filter(({ action }) => action === "routine.fired")
    .map((r) => r.details.nominal);
  t.equal(new Set(times).size, times.length, times.join());
  t.equal(times.length, 6);
});

t.test("jitter puts a firing off, always alike, and never beyond the next time", async (t) => {
  const delays = [1, 2].map(() => {
    const machine = machineWith(ok(1_000));
    machine.declare({ etl: { schedules: every("* * * * *"), jitterMs: 10 * minute } });
    machine.pass(10 * minute);
    return machine.records
      .filter(({ action }) => action === "routine.started")
      .map(({ details }) => Number(details.latenessMs));
  });
  t.same(delays[0], delays[1]);
  t.ok(new Set(delays[0]).size > 5);
  t.ok(delays[0]?.every((delay) => delay >= 0 && delay < minute));
});

t.test("what has not started by its deadline is dropped when that passes", async (t) => {
  const machine = machineWith(ok(10 * minute));
  machine.declare({
    etl: {
      schedules: every("1,2 0 * * *"),
      overlap: { kind: "queue", limit: 3 },
      deadlineMs: 2 * minute,
    },
  });
  machine.pass(6 * minute);
  t.ok(story(machine).includes("dropped 00:02:00 deadline"));
  const dropped = machine.records.find(({ action }) => action === "routine.dropped");
  t.equal(dropped?.at, Date.parse("2026-01-01T00:04:00.001Z"));
});

t.test("retries: with backoff, the same run, until they are spent", async (t) => {
  const machine = machineWith(failed(1_000));
  machine.declare({ etl: { schedules: every("1 0 * * *"), retries: 2 } });
  machine.pass(2 * minute);
  t.same(story(machine), [
    ...["fired 00:01:00", "started 00:01:00", "retried 00:01:00 crash", "started 00:01:00"],
    ...["retried 00:01:00 crash", "started 00:01:00", "finished 00:01:00 retries-spent"],
  ]);
  t.equal(new Set(machine.records.map(({ run }) => run)).size, 1);
  const delays = machine.records.filter(({ action }) => /retried/.test(action)).map((r) => r.details.delayMs);
  t.same(delays, [1_000, 2_000]);
});

t.test("exit code 78 is not tried again", async (t) => {
  const machine = machineWith(failed(1_000, 78));
  machine.declare({ etl: { schedules: every("1 0 * * *"), retries: 5 } });
  machine.pass(2 * minute);
  t.same(story(machine).at(-1), "finished 00:01:00 configuration");
});

t.test("a time limit ends an attempt, which may be tried again", async (t) => {
  let first = true;
  const machine = new Machine("2026-01-01T00:00:30Z", () => {
    const fate = ok(first ? hour : 1_000);
    first = false;
    return fate;
  });
  machine.declare({ etl: { schedules: every("1 0 * * *"), retries: 1, timeoutMs: minute } });
  machine.pass(5 * minute);
  t.same(story(machine).slice(2), [
    ...["retried 00:01:00 timeout", "started 00:01:00", "finished 00:01:00 succeeded"],
  ]);
});

t.test("paused: nothing but a person fires it; who and why survive a restart", async (t) => {
  const machine = machineWith(ok(1_000));
  machine.declare({
    etl: { schedules: every("* * * * *"), events: ["x"], missed: { run: "all", withinMs: hour } },
  });
  machine.tell({ type: "pause", routine: "etl", by: "ada", why: "the warehouse moves" });
  machine.pass(minute);
  machine.restartWatchd(10 * minute);
  t.match(machine.state.routines.get("etl")?.pause, { by: "ada", why: "the warehouse moves" });
  machine.tell({ type: "occurred", name: "x" });
  machine.tell({ type: "run-now", routine: "etl", request: "r1", by: "ada" });
  machine.pass(5_000);
  machine.tell({ type: "resume", routine: "etl", by: "bob" });
  machine.pass(minute);
  const told = story(machine);
  t.equal(told.filter((line) => line.startsWith("caught-up")).length, 0, "what was paused is not caught up");
  t.same(told.filter((line) => line.startsWith("started")).length, 2);
  t.match(
    machine.records.find(({ action }) => action === "routine.resumed"),
    { details: { by: "bob", pausedBy: "ada" } },
  );
});

t.test("events: the end of another routine, boots, and whatever else is told", async (t) => {
  const machine = machineWith(ok(1_000));
  machine.declare({
    extract: { schedules: every("1 0 * * *") },
    load: { events: ["routine.succeeded:extract"] },
    mourn: { events: ["routine.failed:extract"] },
    warm: { atBoot: true },
    heal: { events: ["agent.recovered:loader"] },
  });
  machine.pass(2 * minute);
  machine.tell({ type: "occurred", name: "agent.recovered:loader" });
  machine.pass(minute);
  machine.reboot(minute);
  machine.pass(minute);
  const count = (name: string) => story(machine, name).filter((line) => line.startsWith("finished")).length;
  t.same([count("extract"), count("load"), count("mourn"), count("warm"), count("heal")], [1, 1, 0, 2, 1]);
});

t.test("a deploy ends no run; a routine that is gone leaves when its last run has", async (t) => {
  const machine = machineWith(ok(5 * minute));
  machine.declare({ etl: { schedules: every("* * * * *"), overlap: { kind: "queue", limit: 5 } } });
  machine.pass(2 * minute);
  const { routines } = machine.state;
  machine.declare({ etl: { schedules: every("* * * * *"), overlap: { kind: "queue", limit: 5 } } });
  t.equal(machine.state.routines.changesSince(routines).size, 0, "the same again changes nothing");
  machine.declare({});
  t.equal(machine.alive.size, 1);
  t.ok(story(machine).includes("dropped 00:02:00 removed"));
  machine.pass(10 * minute);
  t.equal(story(machine).at(-1), "finished 00:01:00 succeeded");
  t.same([...machine.state.routines], []);
});

t.test("a run survives the restart of watchd, and ends unseen as unknown", async (t) => {
  const machine = machineWith(ok(2 * minute));
  machine.declare({ etl: { schedules: every("1 0 * * *"), retries: 1 } });
  machine.pass(minute);
  machine.restartWatchd(10_000);
  t.equal(machine.alive.size, 1);
  machine.restartWatchd(5 * minute);
  t.equal(story(machine).at(-1), "retried 00:01:00 unknown");
  machine.pass(5 * minute);
  t.equal(story(machine).at(-1), "finished 00:01:00 succeeded");
});

t.test("a run that a reboot took is tried again", async (t) => {
  const machine = machineWith(ok(10 * minute));
  machine.declare({ etl: { schedules: every("1 0 * * *"), retries: 1, timeoutMs: hour } });
  machine.pass(2 * minute);
  machine.reboot(hour);
  machine.pass(hour);
  t.same(story(machine).slice(2), [
    "retried 00:01:00 reboot",
    "started 00:01:00",
    "finished 00:01:00 succeeded",
  ]);
});

t.test("a stop that fails is asked for again, and a stray run is stopped", async (t) => {
  const machine = machineWith(ok(hour));
  machine.declare({ etl: { schedules: every("1 0 * * *"), timeoutMs: minute } });
  machine.pass(50_000);
  const [run = ""] = [...machine.alive.keys()];
  machine.mono += 2 * minute;
  machine.tell({ type: "stop-failed", routine: "etl", run, message: "not yet stopping: no news" });
  t.notOk(story(machine).includes("stop-failed 00:01:00"));
  machine.pass(10_000);
  t.equal(machine.alive.size, 0);
  t.match(story(machine).at(-1), /^finished 00:01:00 retries-spent/);
  machine.tell({ type: "runs", runs: [{ routine: "gone", run: "run-x-1" }], takenAt: machine.mono });
  t.match(machine.records.at(-1), { action: "routine.stray", subject: "gone", run: "run-x-1" });
});

t.test("a person stops what runs and what waits: it is over, and not tried again", async (t) => {
  const machine = machineWith(ok(10 * minute));
  machine.declare({
    etl: { schedules: every("* * * * *"), overlap: { kind: "queue", limit: 5 }, retries: 3 },
  });
  machine.pass(3 * minute);
  const waiting = machine.state.routines.get("etl")?.queue.map(({ id }) => id) ?? [];
  t.equal(waiting.length, 2);
  machine.tell({ type: "stop", routine: "etl", run: waiting[1] ?? "", by: "ada" });
  machine.tell({ type: "stop", routine: "etl", run: null, by: "ada" });
  machine.pass(20_000);
  t.same(story(machine).slice(-6), [
    ...["stop-request", "dropped 00:03:00 stopped"],
    ...["stop-request", "stop-request", "dropped 00:02:00 stopped", "finished 00:01:00 stopped"],
  ]);
  machine.pass(20_000);
  t.equal(story(machine).at(-1), "started 00:04:00", "the routine itself goes on");
});

t.test("the end of an earlier attempt, told once more, ends no later one", async (t) => {
  const machine = machineWith(failed(10_000));
  machine.declare({ etl: { retries: 1, backoff: { initialMs: 1_000, factor: 1, maxMs: 1_000, jitter: 0 } } });
  machine.tell({ type: "run-now", routine: "etl", by: "ada", request: "r" });
  machine.pass(12_000);
  const run = machine.state.routines.get("etl")?.runs[0];
  t.match(run, { attempt: 2, phase: "running" });
  const exit = { type: "exited", routine: "etl", run: run?.firing.id ?? "" } as const;
  machine.tell({ ...exit, attempt: 1, cause: { kind: "exit", code: 0 } });
  t.same(machine.state.routines.get("etl")?.runs[0], run);
  machine.tell({ ...exit, attempt: 2, cause: { kind: "exit", code: 0 } });
  t.match(machine.state.routines.get("etl")?.last, { outcome: "succeeded" });
});
