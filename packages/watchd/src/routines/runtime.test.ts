import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Handler } from "@daruma/base";
import t from "tap";
import { routineRoutes } from "./api.ts";
import { Lab, shell } from "./fixtures/lab.ts";
import { keptRuns, runHome } from "./homes.ts";

/** Asks as a person would through watchd's socket. */
function ask(lab: Lab, route: string, body?: object, query = ""): Promise<Record<string, unknown>> {
  const handler: Handler | undefined = routineRoutes(lab.routines)[route];
  if (handler === undefined) throw new Error(`no route ${route}`);
  const [method = "", path = ""] = route.split(" ");
  const request = { method, path, query: new URLSearchParams(query), body, response: null as never };
  return handler(request) as Promise<Record<string, unknown>>;
}

function runNow(lab: Lab, routine: string, input?: string): Promise<Record<string, unknown>> {
  const given = input === undefined ? {} : { input: Buffer.from(input).toString("base64") };
  return ask(lab, "POST /v1/routines/run", { routine, by: "ada", ...given });
}

/** Copies the lines of its input, one at a time, and dies after the first two rows of its first attempt. */
const etl = `
[ -f "$DARUMA_CHECKPOINT_DIR/at" ] && done=$(cat "$DARUMA_CHECKPOINT_DIR/at") || done=0
n=0
while read -r row; do
  n=$((n + 1))
  [ "$n" -le "$done" ] && continue
  echo "$row" >> "$DARUMA_STATE_DIR/rows"
  echo "$n" > "$DARUMA_CHECKPOINT_DIR/at"
  if [ "$n" = 2 ] && [ "$DARUMA_ATTEMPT" = 1 ]; then kill -KILL $$; fi
done < "$DARUMA_INPUT"
env | grep ^DARUMA_ > "$DARUMA_STATE_DIR/env"
`;

t.test("a run that is killed goes on from its checkpoint, and the exact rows are there once", async (t) => {
  const lab = new Lab(t);
  await lab.deploy({ etl: shell(etl, { retries: 2 }) });
  const { run } = await runNow(lab, "etl", "a\nb\nc\nd\n");
  await lab.finished("etl");
  t.same(lab.story("etl"), ["fired", "started", "retried crash", "started", "finished succeeded"]);
  const home = runHome(lab.stateDir, "etl", String(run));
  t.equal(readFileSync(join(home, "state", "rows"), "utf8"), "a\nb\nc\nd\n");
  const environment = readFileSync(join(home, "state", "env"), "utf8");
  for (const line of ["DARUMA_ROUTINE=etl", `DARUMA_RUN=${run}`, "DARUMA_ATTEMPT=2", "DARUMA_TRIGGER=person"])
    t.ok(environment.includes(`${line}\n`), line);
  t.match(environment, new RegExp(`^DARUMA_SOCKET=.*/runs/${run}\\.sock$`, "m"));
  const fired = lab.told.find(({ action }) => action === "routine.fired");
  t.match(fired, { run, details: { trigger: "person", cause: "ada", nominal: /Z$/, at: /Z$/ } });
  t.same(readdirSync(join(lab.stateDir, "routines", "etl", "inputs")), []);
});

t.test("a restart of watchd: runs go on, pauses stay, and what was missed is caught up", async (t) => {
  const lab = new Lab(t);
  const hourly = { schedule: { expression: "0 * * * *", timezone: "UTC" } };
  const gate = `while [ ! -f "${lab.stateDir}/gate" ]; do sleep 0.02; done; [ "$DARUMA_ATTEMPT" = 2 ]`;
  await lab.deploy({ long: shell(gate, { retries: 1 }), hourly: shell("", hourly), idle: shell("", hourly) });
  await runNow(lab, "long");
  await ask(lab, "POST /v1/routines/pause", { routine: "idle", by: "ada", why: "the source is down" });
  await lab.until("it runs", () => lab.story("long").includes("started"));
  const [pid] = lab.pids();
  await lab.restart(() => {
    lab.ahead += 2.5 * 3_600_000;
  });
  t.ok(lab.pids().includes(pid ?? 0), "the run has not noticed");
  await lab.finished("hourly");
  t.same(lab.story("hourly").slice(0, 2), ["missed", "caught-up"]);
  const { routines } = (await ask(lab, "GET /v1/routines")) as { routines: object[] };
  t.match(routines, [
    { name: "hourly", paused: null, last: { outcome: "succeeded" }, next: /:00:00.000Z$/ },
    { name: "idle", paused: { by: "ada", why: "the source is down" }, runs: [] },
    { name: "long", runs: [{ phase: "running", attempt: 1 }] },
  ]);
  await lab.routines.engine?.ask({ type: "tick" });
  t.same(lab.story("idle"), ["paused the source is down", "missed"], "and none of a pause is caught up");
  t.notOk(existsSync(join(lab.stateDir, "gate")));
  process.kill(pid ?? 0, "SIGKILL");
  await lab.until(
    "it is tried again",
    () => lab.story("long").filter((line) => line === "started").length > 1,
  );
  await ask(lab, "POST /v1/routines/resume", { routine: "idle", by: "grace" });
  t.match(lab.told.at(-1), {
    action: "routine.resumed",
    details: { by: "grace", pausedBy: "ada" },
  });
});

t.test("a run beyond its time limit is ended; what waits and what is refused says so", async (t) => {
  const lab = new Lab(t);
  await lab.deploy({
    slow: shell("trap '' TERM; while :; do sleep 0.05; done", {
      timeoutMs: 200,
      stop: { signal: "SIGTERM", graceMs: 50 },
    }),
    missing: shell("", { command: ["/nowhere/program"] }),
  });
  await runNow(lab, "slow");
  t.match(await runNow(lab, "slow", "unused"), { outcome: "skipped", why: "overlap" });
  t.same(readdirSync(join(lab.stateDir, "routines", "slow", "inputs")), [], "and its input is gone");
  await lab.finished("slow");
  t.equal(lab.story("slow").at(-1), "finished failed");
  t.match(lab.told.at(-1), { details: { cause: "timeout", why: "retries-spent", attempts: 1 } });
  await runNow(lab, "missing");
  await lab.finished("missing");
  t.match(lab.told.at(-1), { details: { outcome: "failed", code: "AGENT_E_COMMAND_NOT_FOUND" } });
  await t.rejects(runNow(lab, "nothing"), {
    code: "WATCHD_E_UNKNOWN_ROUTINE",
    hint: "It has: missing, slow.",
  });
  for (const [route, body] of [
    ["POST /v1/routines/pause", { routine: "slow", by: "ada" }],
    ["POST /v1/routines/run", { routine: "slow", by: "ada", input: "%" }],
  ] as const)
    await t.rejects(async () => ask(lab, route, body), { code: "WATCHD_E_BAD_REQUEST" });
});

t.test(
  "a drain ends every run as stopped, and starts nothing; the next watchd starts what waited",
  async (t) => {
    const lab = new Lab(t);
    const gate = `while [ ! -f "${lab.stateDir}/gate" ]; do sleep 0.02; done`;
    const overlap = { kind: "queue", limit: 5 } as const;
    await lab.deploy({ long: shell(gate, { overlap, retries: 3 }) });
    await runNow(lab, "long");
    await runNow(lab, "long");
    await lab.until("it runs", () => lab.story("long").includes("started"));
    await lab.routines.drain();
    t.same(lab.pids(), []);
    t.equal(lab.story("long").at(-1), "finished stopped");
    await lab.restart();
    const started = () => lab.story("long").filter((line) => line === "started").length;
    await lab.until("what waited runs", () => started() > 1);
    await lab.routines.kill();
    t.same(lab.pids(), []);
  },
);

t.test("events of other routines, memory limits, and files of old runs", async (t) => {
  const lab = new Lab(t);
  const hungry = "exec tail /dev/zero";
  await lab.deploy({
    extract: shell("true"),
    load: shell("true", { after: ["extract"] }),
    hungry: shell(hungry, { limits: { memoryBytes: 32 * 1024 * 1024 } }),
  });
  for (let run = 1; run <= keptRuns + 2; run += 1) {
    mkdirSync(join(runHome(lab.stateDir, "load", `run-old-${run}`), "state"), { recursive: true });
  }
  await runNow(lab, "extract");
  await lab.finished("load");
  const runs = () =>
    readdirSync(join(lab.stateDir, "routines", "load")).filter((name) => name.startsWith("run-"));
  await lab.until("old files are gone", () => runs().length === keptRuns);
  t.match(
    lab.told.find(({ action, subject }) => action === "routine.fired" && subject === "load"),
    { details: { trigger: "event", cause: "routine.succeeded:extract" } },
  );
  await runNow(lab, "hungry");
  await lab.finished("hungry");
  t.same(lab.story("hungry"), ["fired", "started", "over-memory", "finished failed"]);
  const { routine } = await ask(lab, "GET /v1/routine", undefined, "name=load");
  t.match(routine, { name: "load", times: [], manifest: { after: ["extract"] }, schedule: null });
});
