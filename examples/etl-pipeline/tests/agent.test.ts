import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import t from "tap";
import { checkTable } from "../check.ts";
import { Agent, fingerprint, runToEnd, transformV2, wholeDataset, writeSlice } from "./support.ts";

const slice = writeSlice(join(t.testdir(), "slice.json"));
const records = (JSON.parse(readFileSync(slice, "utf8")) as unknown[]).length;

const slow = { BATCH_ROWS: "20", BATCH_PAUSE_MS: "60000" };

t.test("the whole data set is loaded, every record accounted for", async (t) => {
  const directory = t.testdir();
  const health = await runToEnd({ directory, dataset: wholeDataset });
  const check = checkTable(join(directory, "cities.db"), wholeDataset);
  t.match(check, { missing: 0, duplicated: 0, different: 0, differentRejects: 0, ok: true });
  t.match(health, { httpStatus: 200, status: "ok", loaded: check.expectedRows, resumedFrom: null });
  t.equal(health.loaded + health.rejected, health.total);
  const progress = JSON.parse(readFileSync(join(directory, "progress.json"), "utf8"));
  t.match(progress, { position: health.total, loaded: health.loaded });
});

t.test(
  "the broken version ends with code 1 each time, loses nothing, and the good one goes on from there",
  async (t) => {
    const directory = t.testdir();
    const first = new Agent({ directory, dataset: slice, environment: slow });
    await first.until(({ status }) => status === "ok");
    await first.stop();
    const before = fingerprint(join(directory, "cities.db"));
    for (let attempt = 0; attempt < 3; attempt++) {
      const broken = new Agent({ directory, dataset: slice, environment: { TRANSFORM: transformV2 } });
      t.same(await broken.ended, { code: 1, signal: null });
      t.match(broken.log.join("\n"), /TypeError/);
      t.equal(fingerprint(join(directory, "cities.db")), before);
    }
    t.match(await runToEnd({ directory, dataset: slice }), { status: "ok", resumedFrom: 20 });
    t.ok(checkTable(join(directory, "cities.db"), slice).ok);
  },
);

t.test("SIGTERM ends a pause, closes the database and gives exit code 0", async (t) => {
  const directory = t.testdir();
  const agent = new Agent({ directory, dataset: slice, environment: slow });
  await agent.until(({ status }) => status === "ok");
  t.same(await agent.stop("SIGTERM"), { code: 0, signal: null });
  t.notOk(
    existsSync(join(directory, "cities.db-wal")),
    "the write-ahead log is gone when the database was closed",
  );
  const again = new Agent({ directory, dataset: slice, environment: slow });
  t.match(await again.until(({ status }) => status === "ok"), { resumedFrom: 20 });
  t.match(again.log, [/listening/, /resuming at record 20 of/]);
  t.same(await again.stop("SIGTERM"), { code: 0, signal: null });
});

t.test("after the load the agent stays up and serves, and a second start does nothing twice", async (t) => {
  const directory = t.testdir();
  const first = await runToEnd({ directory, dataset: slice });
  const before = fingerprint(join(directory, "cities.db"));
  const second = await runToEnd({ directory, dataset: slice, environment: { TRANSFORM: transformV2 } });
  t.match(second, { httpStatus: 200, phase: "complete", loaded: first.loaded, resumedFrom: records });
  t.equal(fingerprint(join(directory, "cities.db")), before);
});

t.test(
  "a data set that is missing is told as a dependency, and the load begins once it is there",
  async (t) => {
    const directory = t.testdir();
    const dataset = join(directory, "data.json");
    const agent = new Agent({ directory, dataset });
    const waiting = await agent.until(({ status }) => status === "failing");
    t.match(waiting, { httpStatus: 503, dependency: "dataset", reason: /ENOENT/ });
    cpSync(slice, dataset);
    t.match(await agent.until(({ phase }) => phase === "complete"), { httpStatus: 200, total: records });
    await agent.stop("SIGTERM");
  },
);

t.test("a data set that has changed is not mixed with the rows of the old one", async (t) => {
  const directory = t.testdir();
  const first = new Agent({ directory, dataset: slice, environment: slow });
  await first.until(({ status }) => status === "ok");
  await first.stop("SIGTERM");
  const before = fingerprint(join(directory, "cities.db"));
  const changed = join(directory, "changed.json");
  writeFileSync(changed, `${readFileSync(slice, "utf8")}\n`);
  const agent = new Agent({ directory, dataset: changed });
  const health = await agent.until(({ status }) => status === "failing");
  t.match(health, { httpStatus: 503, reason: /changed since record 20/ });
  t.equal(health.dependency, undefined, "the deploy brought it, so a rollback is right");
  t.same(await agent.stop("SIGTERM"), { code: 0, signal: null });
  t.equal(fingerprint(join(directory, "cities.db")), before);
});

t.test("a state directory that is gone makes the agent unhealthy, not silent", async (t) => {
  const directory = join(t.testdir({ gone: {} }), "gone");
  rmSync(directory, { recursive: true });
  const agent = new Agent({ directory, dataset: slice });
  t.match(await agent.until(({ status }) => status === "failing"), {
    httpStatus: 503,
    reason: /database refused/,
  });
  await agent.stop("SIGTERM");
});

t.test("an environment that it cannot work in ends it at once with code 78 and one clear line", async (t) => {
  const directory = t.testdir();
  const taken = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => taken.once("listening", resolve));
  const address = taken.address();
  const port = String(typeof address === "object" ? address?.port : "");
  const noTransform = join(directory, "empty.ts");
  writeFileSync(noTransform, "export const other = 1;\n");
  const environments = [
    { DATASET: "" },
    { PORT: "http" },
    { PORT: port },
    { BATCH_ROWS: "0" },
    { TRANSFORM: noTransform },
  ];
  for (const environment of environments) {
    const agent = new Agent({ directory, dataset: slice, environment });
    t.same(await agent.ended, { code: 78, signal: null }, JSON.stringify(environment));
    t.match(agent.log.at(-1), /^bad environment: /);
  }
  taken.close();
});
