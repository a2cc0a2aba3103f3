import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import t from "tap";
import { hashDataset } from "../etl/extract.ts";
import { healthAnswer, newProgress } from "../etl/health.ts";
import { Store } from "../etl/load.ts";
import { type Job, runJob } from "../etl/pipeline.ts";
import { readSettings } from "../etl/settings.ts";
import { transform } from "../transform-v1/transform.ts";
import { dump } from "./support.ts";

const names = ["Lyon", "Paris", "Nice", "Mar?S?", "Brest"];
const dataset = JSON.stringify(
  names.map((name) => ({ name, lat: "45.7", lng: "4.8", country: "FR", admin1: "", admin2: "" })),
);

function jobIn(
  directory: string,
  signal: AbortSignal = new AbortController().signal,
): Job & { log_: string[] } {
  const log_: string[] = [];
  const settings = readSettings({
    DATASET: join(directory, "data.json"),
    TRANSFORM: "unused",
    PORT: "0",
    DARUMA_STATE_DIR: directory,
    DARUMA_CHECKPOINT_DIR: directory,
    BATCH_ROWS: "2",
  });
  return { settings, transform, progress: newProgress(), log: (line) => log_.push(line), signal, log_ };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(5);
}

t.test("a job loads everything, tells how far it is, and has nothing to do the second time", async (t) => {
  const directory = t.testdir({ "data.json": dataset });
  const job = jobIn(directory);
  await runJob(job);
  t.match(job.progress, {
    phase: "complete",
    loaded: 4,
    rejected: 1,
    total: 5,
    resumedFrom: null,
    failure: null,
  });
  const before = dump(join(directory, "cities.db"));

  const second = jobIn(directory);
  await runJob(second);
  t.match(second.progress, { phase: "complete", loaded: 4, rejected: 1, total: 5, resumedFrom: 5 });
  t.same(dump(join(directory, "cities.db")), before);
});

t.test("an empty data set is complete at once", async (t) => {
  const job = jobIn(t.testdir({ "data.json": " [ ] " }));
  await runJob(job);
  t.match(job.progress, { phase: "complete", loaded: 0, total: 0 });
});

t.test("a signal ends the job between two batches, and the next one resumes there", async (t) => {
  const directory = t.testdir({ "data.json": dataset });
  const stop = new AbortController();
  const job = jobIn(directory, stop.signal);
  const first: Job = { ...job, settings: { ...job.settings, batchPauseMs: 60_000 } };
  const running = runJob(first);
  await until(() => first.progress.phase === "loading");
  stop.abort();
  await running;
  t.match(first.progress, { phase: "loading", loaded: 2 });

  const second = jobIn(directory);
  await runJob(second);
  t.match(second.progress, { phase: "complete", loaded: 4, rejected: 1, resumedFrom: 2 });
  t.match(second.log_, [/resuming at record 2 of 5/, /complete/]);
});

t.test(
  "a database that refuses makes the agent unhealthy, and the load goes on once it takes writes again",
  async (t) => {
    const directory = t.testdir({ "data.json": dataset });
    const other = new DatabaseSync(join(directory, "cities.db"));
    other.exec("BEGIN IMMEDIATE");
    const job = jobIn(directory);
    const running = runJob(job);
    await until(() => job.progress.failure !== null);
    const { status, body } = healthAnswer(job.progress);
    t.equal(status, 503);
    t.match(body, { status: "failing", reason: /locked/ });
    t.notOk("dependency" in body, "the database is the agent's own");
    other.exec("ROLLBACK");
    other.close();
    await running;
    t.match(job.progress, { phase: "complete", loaded: 4, failure: null });
  },
);

t.test("a transform that throws ends the job and leaves nothing of its batch", async (t) => {
  const directory = t.testdir({ "data.json": dataset });
  let calls = 0;
  const job = jobIn(directory);
  const failing: Job = {
    ...job,
    transform: (record, toolkit) => {
      if (++calls === 4) throw new TypeError("no such field");
      return transform(record, toolkit);
    },
  };
  await t.rejects(runJob(failing), TypeError);
  t.match(dump(join(directory, "cities.db")), {
    cities: [{ position: 0 }, { position: 1 }],
    checkpoint: [{ position: 2, loaded: 2, rejected: 0 }],
  });
});

t.test("a data set with fewer records than were counted is not taken for complete", async (t) => {
  const directory = t.testdir({ "data.json": dataset });
  const counted = new Store(join(directory, "cities.db"));
  counted.begin(await hashDataset(join(directory, "data.json")), names.length + 1);
  counted.close();
  const stop = new AbortController();
  const job = jobIn(directory, stop.signal);
  const running = runJob(job);
  await until(() => job.progress.failure !== null);
  t.match(healthAnswer(job.progress), { status: 503, body: { phase: "loading", dependency: "dataset" } });
  stop.abort();
  await running;
});

t.test("a progress file that cannot be written makes the agent unhealthy", async (t) => {
  const directory = t.testdir({ "data.json": dataset });
  const stop = new AbortController();
  const job = jobIn(directory, stop.signal);
  const settings = { ...job.settings, checkpointDirectory: join(directory, "none") };
  const running = runJob({ ...job, settings });
  await until(() => job.progress.failure !== null);
  t.match(healthAnswer(job.progress), { status: 503, body: { reason: /progress\.json cannot be written/ } });
  stop.abort();
  await running;
});
