import t from "tap";
import { healthAnswer, newProgress } from "../etl/health.ts";
import { readSettings, SettingsError } from "../etl/settings.ts";

const facts = { loaded: 9, rejected: 1, total: 20, resumedFrom: 5 };

t.test("a process that has not done anything yet is not healthy", async (t) => {
  t.match(healthAnswer(newProgress()), { status: 503, body: { status: "starting", total: null } });
});

t.test("a process that loads or has loaded is healthy and says how far it is", async (t) => {
  for (const phase of ["loading", "complete"] as const) {
    const answer = healthAnswer({ ...newProgress(), ...facts, phase });
    t.same(answer, { status: 200, body: { status: "ok", phase, ...facts } });
  }
});

t.test("a failed batch is told with its reason, without a dependency", async (t) => {
  const failure = { reason: "the database refused: disk full", dependency: null };
  t.same(healthAnswer({ ...facts, phase: "loading", failure }), {
    status: 503,
    body: { status: "failing", reason: failure.reason, phase: "loading", ...facts },
  });
});

t.test("a missing data set is told as a dependency", async (t) => {
  const failure = { reason: "the data set cannot be read", dependency: "dataset" };
  t.match(healthAnswer({ ...newProgress(), failure }), {
    status: 503,
    body: { status: "failing", dependency: "dataset" },
  });
});

const environment = {
  DATASET: "/data/cities.json",
  TRANSFORM: "/code/transform.ts",
  PORT: "8080",
  DARUMA_STATE_DIR: "/state",
  DARUMA_CHECKPOINT_DIR: "/checkpoint",
};

t.test("settings come from the environment, and the pace has a default", async (t) => {
  t.same(readSettings(environment), {
    dataset: "/data/cities.json",
    transform: "/code/transform.ts",
    port: 8080,
    stateDirectory: "/state",
    checkpointDirectory: "/checkpoint",
    batchRows: 1000,
    batchPauseMs: 0,
  });
  t.match(readSettings({ ...environment, BATCH_ROWS: "7", BATCH_PAUSE_MS: "250" }), {
    batchRows: 7,
    batchPauseMs: 250,
  });
});

t.test("all that is wrong with the environment is told at once", async (t) => {
  t.throws(() => readSettings({ ...environment, DATASET: "", PORT: "http", BATCH_ROWS: "0" }), {
    name: "SettingsError",
    message: /DATASET.*PORT.*BATCH_ROWS/,
  });
  for (const PORT of ["", "-1", "65536", "80.5", " 80", "1e3"]) {
    t.throws(() => readSettings({ ...environment, PORT }), SettingsError);
  }
});
