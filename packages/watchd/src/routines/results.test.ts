import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { callUnix } from "@daruma/base";
import type { CountBounds, Expectations } from "@daruma/config";
import t from "tap";
import { Lab, shell } from "./fixtures/lab.ts";
import { Machine } from "./fixtures/machine.ts";
import { anomaliesOf, leastResults, mostResults, parseCounts } from "./results.ts";

const nothing: Expectations = { extracted: null, transformed: null, loaded: null, errors: null };
const open: CountBounds = { min: null, max: null, deviation: null };

t.test(
  "counts beyond their bounds, or missing, are anomalies; what nothing is expected of is none",
  async (t) => {
    const expected = { ...nothing, loaded: { ...open, min: 10, max: 20 }, errors: { ...open, max: 0 } };
    t.same(anomaliesOf(expected, { loaded: 10, errors: 0 }, []), []);
    t.same(anomaliesOf(expected, { loaded: 20, errors: 0, extracted: 0 }, []), []);
    t.same(anomaliesOf(expected, { loaded: 9, errors: 1 }, []), [
      { count: "loaded", value: 9, why: "below", bound: 10 },
      { count: "errors", value: 1, why: "above", bound: 0 },
    ]);
    t.match(anomaliesOf(expected, { loaded: 21 }, []), [{ why: "above" }, { value: null, why: "missing" }]);
    t.match(anomaliesOf(expected, null, []), [{ why: "missing" }, { why: "missing" }]);
  },
);

t.test("a count that is unlike those before it is an anomaly, once there are enough of them", async (t) => {
  const expected = { ...nothing, loaded: { ...open, deviation: 0.5 } };
  const before = [100, 90, 110, 5_000, 100].map((loaded) => ({ loaded }));
  t.equal(before.length, leastResults);
  for (const usual of [50, 100, 150]) t.same(anomaliesOf(expected, { loaded: usual }, before), []);
  for (const unlike of [0, 49, 151])
    t.same(anomaliesOf(expected, { loaded: unlike }, before), [
      { count: "loaded", value: unlike, why: "unlike-before", bound: 100 },
    ]);
  t.same(anomaliesOf(expected, { loaded: 0 }, before.slice(1)), []);
  t.same(
    anomaliesOf(
      expected,
      { loaded: 0 },
      before.map(() => ({ errors: 1 })),
    ),
    [],
    "of others, nothing is known",
  );
});

t.test("only counts are taken for a result", async (t) => {
  t.same(parseCounts({ loaded: 3, errors: 0 }), { loaded: 3, errors: 0 });
  for (const wrong of [
    null,
    [],
    1,
    {},
    { rows: 1 },
    { loaded: -1 },
    { loaded: 0.5 },
    { loaded: "1" },
    { loaded: 2 ** 60 },
  ])
    t.type(parseCounts(wrong), "string", JSON.stringify(wrong));
});

t.test("the core compares each result with those of the last runs that succeeded", async (t) => {
  const minute = 60_000;
  const machine = new Machine("2026-01-01T00:00:30Z", () => ({
    takesMs: 5_000,
    cause: { kind: "exit", code: 0 },
  }));
  const expect = { ...nothing, loaded: { ...open, deviation: 0.1 } };
  machine.declare({ etl: { schedules: [{ expression: "* * * * *", timezone: "UTC" }], expect } });
  const run = (loaded: number) => {
    machine.pass(31_000);
    for (const { routine, run } of machine.alive.values()) {
      machine.tell({ type: "result", routine, run, counts: { loaded: 0, errors: 1 } });
      machine.tell({ type: "result", routine, run, counts: { loaded } });
    }
    machine.pass(minute - 31_000);
  };
  for (let count = 0; count < mostResults + 3; count += 1) run(100);
  const anomalies = () => machine.records.filter(({ action }) => action === "routine.anomaly");
  t.same(anomalies(), []);
  run(80);
  t.match(anomalies(), [{ severity: "critical", details: { count: "loaded", value: 80, bound: 100 } }]);
  t.equal(machine.state.routines.get("etl")?.results.length, mostResults);
  const finished = machine.records.filter(({ action }) => action === "routine.finished");
  t.match(finished.at(-1), { details: { outcome: "succeeded", result: { loaded: 80, errors: 1 } } });
});

t.test("a run tells its result through its own socket, also to the next watchd", async (t) => {
  const lab = new Lab(t);
  const gate = join(lab.stateDir, "gate");
  const expect = { ...nothing, extracted: { ...open, min: 5 }, errors: { ...open, max: 0 } };
  const script = `printf %s "$DARUMA_SOCKET" > "$DARUMA_STATE_DIR/socket"; while [ ! -f "${gate}" ]; do sleep 0.02; done; kill -9 $$`;
  const again = `[ "$DARUMA_ATTEMPT" = 2 ] && exit 0; ${script}`;
  await lab.deploy({ etl: shell(again, { expect, retries: 1 }) });
  await lab.routines.engine?.ask({ type: "run-now", routine: "etl", by: "ada", request: "r1" });
  await lab.until("it runs", () => lab.story("etl").includes("started"));
  const run = lab.told.find(({ action }) => action === "routine.started")?.run ?? "";
  const path = join(lab.stateDir, "..", "run", "runs", `${run}.sock`);
  const tell = (body: object) => callUnix({ path, method: "POST", route: "/v1/result", body });
  t.match(await callUnix({ path, method: "GET", route: "/v1/self" }), { name: "etl", run, attempt: 1 });
  t.match(await tell({ extracted: 4 }), { result: { extracted: 4 } });
  await t.rejects(tell({ rows: 4 }), { code: "AGENT_E_BAD_RESULT" });
  await lab.restart();
  t.match(await tell({ loaded: 4 }), { result: { extracted: 4, loaded: 4 } });
  writeFileSync(gate, "");
  await lab.finished("etl");
  await lab.until(
    "it is judged",
    () => lab.told.filter(({ action }) => action === "routine.anomaly").length === 2,
  );
  t.match(
    lab.told
      .filter(({ action }) => action === "routine.anomaly")
      .map(({ run: of, details }) => [of, details]),
    [
      [run, { count: "extracted", value: 4, why: "below", bound: 5 }],
      [run, { count: "errors", value: null, why: "missing" }],
    ],
  );
  await lab.until("its socket is gone", () => lab.sockets().length === 0);
});
