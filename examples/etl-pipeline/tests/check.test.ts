import { spawnSync } from "node:child_process";
import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import t from "tap";
import { checkTable } from "../check.ts";
import { newProgress } from "../etl/health.ts";
import { runJob } from "../etl/pipeline.ts";
import { readSettings } from "../etl/settings.ts";
import { transform } from "../transform-v1/transform.ts";

const program = fileURLToPath(new URL("../check.ts", import.meta.url));
const records = ["Lyon", "Paris", "Mar?S?", "PARIS", "Brest (Finistère)"].map((name) => ({
  name,
  lat: "45.7",
  lng: "4.8",
  country: "FR",
  admin1: "",
  admin2: "",
}));

/** A database that the agent has loaded, with a table that also takes what the agent's own would refuse. */
async function load(directory: string): Promise<{ db: string; dataset: string }> {
  const dataset = join(directory, "data.json");
  writeFileSync(dataset, JSON.stringify(records));
  const settings = readSettings({
    DATASET: dataset,
    TRANSFORM: "unused",
    PORT: "0",
    DARUMA_STATE_DIR: directory,
    DARUMA_CHECKPOINT_DIR: directory,
  });
  await runJob({
    settings,
    transform,
    progress: newProgress(),
    log: () => undefined,
    signal: new AbortController().signal,
  });
  const db = join(directory, "cities.db");
  execute(
    db,
    "CREATE TABLE lax AS SELECT * FROM cities; DROP TABLE cities; ALTER TABLE lax RENAME TO cities",
  );
  return { db, dataset };
}

function execute(file: string, sql: string): void {
  const db = new DatabaseSync(file);
  db.exec(sql);
  db.close();
}

t.test("what the agent has loaded is right", async (t) => {
  const { db, dataset } = await load(t.testdir());
  t.same(checkTable(db, dataset), {
    expectedRows: 3,
    actualRows: 3,
    missing: 0,
    duplicated: 0,
    different: 0,
    expectedRejects: { "name-damaged": 1, duplicate: 1 },
    differentRejects: 0,
    ok: true,
  });
});

t.test("each way to be wrong is seen", async (t) => {
  const { db, dataset } = await load(t.testdir());
  const wrong = (sql: string, found: object) => {
    const copy = `${db}.copy`;
    cpSync(db, copy);
    execute(copy, sql);
    t.match(checkTable(copy, dataset), { ...found, ok: false }, sql);
  };
  wrong("DELETE FROM cities WHERE position = 1", { actualRows: 2, missing: 1 });
  wrong("INSERT INTO cities SELECT * FROM cities WHERE position = 1", {
    actualRows: 4,
    duplicated: 1,
    missing: 0,
  });
  wrong("UPDATE cities SET name = 'Lyons' WHERE position = 0", { different: 1, missing: 0 });
  wrong("UPDATE cities SET position = 9 WHERE position = 0", { missing: 1, different: 1 });
  wrong("DELETE FROM rejects WHERE position = 2", { differentRejects: 1 });
  wrong("UPDATE rejects SET reason = 'country'", { differentRejects: 2 });
});

t.test(
  "as a program it prints the result and says with its exit code whether the table is right",
  async (t) => {
    const { db, dataset } = await load(t.testdir());
    const run = (...args: string[]) => spawnSync(process.execPath, [program, ...args], { encoding: "utf8" });
    const right = run(db, dataset);
    t.equal(right.status, 0);
    t.match(JSON.parse(right.stdout), { expectedRows: 3, ok: true });
    execute(db, "DELETE FROM cities WHERE position = 1");
    t.equal(run(db, dataset).status, 1);
    t.equal(run(db).status, 2);
  },
);
