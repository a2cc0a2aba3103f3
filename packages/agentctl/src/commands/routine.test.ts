import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { createFleet } from "../test-support/fleet.ts";
import { startHere } from "../test-support/run-here.ts";
import { describeRoutines } from "./routine-show.ts";
import { commandTable } from "./table.ts";

const script = (text: string) => `command: ["/bin/sh", "-c", ${JSON.stringify(text)}]`;
const host = `routines: {
  etl: { ${script('[ "$DARUMA_ATTEMPT" = 2 ] || exit 3; wc -l < "$DARUMA_INPUT"')}, retries: 1, backoff: { initial: "1ms" },
         schedule: "30 2 29 2 *", timezone: "Europe/Berlin", missed: "skip" },
  broken: { ${script("echo it is broken; exit 78")}, retries: 5, after: ["etl"] },
  long: { ${script("sleep 1000")}, stop: { grace: "1h" } },
},`;

t.test("a person runs, watches, pauses and resumes the routines of agentctl dev", async (t) => {
  const fleet = await createFleet(t);
  await fleet.writeConfig({ host });
  const dev = fleet.dev();
  await dev.saw("deployed");
  const place = { cwd: fleet.directory, environment: { ...fleet.environment, SUDO_USER: "ada" } };
  const routine = (...argv: string[]) => startHere(commandTable, ["routine", ...argv], place).ended;
  const document = async (...argv: string[]) => {
    const { code, stdout, stderr } = await routine(...argv, "--json");
    return { code, stderr, json: JSON.parse(stdout) };
  };

  await writeFile(join(fleet.directory, "rows"), "a\nb\nc\n");
  const first = await document("run", "etl", "--input", "rows", "--wait");
  t.match(first, {
    code: 0,
    json: { routine: "etl", outcome: "accepted", finished: { outcome: "succeeded" } },
  });
  t.match(await document("logs", "etl"), { code: 0, json: { run: first.json.run, lines: ["3"] } });
  t.match(await routine("run", "broken", "--wait"), { code: 3, stderr: /ROUTINE_E_RUN_FAILED.*failed/s });
  t.match((await routine("logs", "broken")).stdout, /^it is broken\n/);
  t.match(await routine("run", "etl", "--input", "nothing"), { code: 1, stderr: /ROUTINE_E_INPUT/ });
  t.match(await routine("run", "nightly"), { code: 4, stderr: /WATCHD_E_UNKNOWN_ROUTINE/ });
  t.match(await routine("logs", "long"), { code: 1, stderr: /ROUTINE_E_NO_LOG/ });

  t.match(await document("pause", "etl", "the source is moving"), {
    code: 0,
    json: { routine: { paused: { by: "ada", why: "the source is moving" } } },
  });
  t.match(
    (await routine("list")).stdout,
    /etl .*30 2 29 2 \* Europe\/Berlin .*paused by ada: the source is moving/,
  );
  t.match(await routine("resume", "etl"), { code: 0, stdout: /due next at 2028-02-29T01:30:00.000Z/ });

  t.match(await routine("run", "long"), { code: 0, stdout: /is accepted/ });
  t.match(await routine("run", "long"), { code: 1, stderr: /ROUTINE_E_NOT_RUN: .*skipped \(overlap\)/ });
  await dev.saw("routine.started", ({ entry }) => entry.subject === "long");
  t.match(
    (await routine("show", "long")).stdout,
    /active {6}run-\S+, by person ada, for .*: running, attempt 1/,
  );
  const history = await routine("history", "etl");
  for (const line of [
    /fired by person ada/,
    /failed \(crash, exit code 3\); again in 1 ms/,
    /started \(attempt 2\)/,
    /succeeded after .* and 2 attempts/,
    /paused by ada: the source is moving/,
  ])
    t.match(history.stdout, line);
  t.match((await routine("history", "broken")).stdout, /fired by event routine.succeeded:etl/);

  dev.child.kill("SIGINT");
  await dev.saw("stopping");
  dev.child.kill("SIGINT");
  t.equal((await dev.ended).code, 130, "a second Ctrl-C does not wait for a run's grace");
  await dev.saw("routine.finished", ({ entry }) => entry.subject === "long");
});

t.test("a list tells what is paused, what runs and what waits", async (t) => {
  const plain = (_: unknown, text: string) => text;
  const firing = { run: "run-a-1", trigger: "schedule", cause: null, nominal: "2026-01-01T00:00:00.000Z" };
  const base = {
    schedule: "@daily",
    timezone: "UTC",
    next: null,
    paused: null,
    waiting: [],
    last: null,
    runs: [],
  };
  const backoff = {
    ...firing,
    phase: "backoff",
    attempt: 2,
    began: "",
    runningMs: null,
    retryInMs: 1500,
  } as const;
  const lines = describeRoutines(
    [
      { ...base, name: "etl", runs: [backoff], waiting: [firing, firing] },
      { ...base, name: "idle", next: "2026-01-02T00:00:00.000Z" },
    ],
    plain,
  );
  t.match(lines[1], /^etl +@daily +- +- +run-a-1 failed, again in 1.5 s; 2 waiting$/);
  t.match(lines[2], /^idle +@daily +2026-01-02T00:00:00.000Z +- +-$/);
  t.same(describeRoutines([], plain), ["no routines"]);
});
