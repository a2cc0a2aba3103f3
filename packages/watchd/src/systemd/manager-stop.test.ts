import t from "tap";
import { until, watchExits } from "../processes/fixtures/lab.ts";
import { gently, openBench, startAgent } from "./fixtures/bench.ts";

t.test("a stop leaves nothing of the run, and is told as one that was asked for", async (t) => {
  const bench = openBench(t);
  const manager = bench.manager();
  const exits = watchExits(manager);
  const { runId } = await startAgent(bench, manager);
  t.same(await manager.stop(runId, gently), { forced: false });
  t.notOk(bench.systemd.isAlive("a"));
  t.same(exits.all, [{ agent: "a", runId, cause: { kind: "stopped", inSwitch: false } }]);
  t.same(await manager.list(), []);
  t.same(bench.files("runs"), []);
});

t.test("a stop of a run that is gone, or never was, does nothing", async (t) => {
  const bench = openBench(t);
  const manager = bench.manager();
  const exits = watchExits(manager);
  const first = await startAgent(bench, manager);
  await bench.systemd.end("a", { code: 1 });
  await exits.of(first.runId);
  const second = await startAgent(bench, manager);
  for (const runId of [first.runId, "no-such-run"])
    t.same(await manager.stop(runId, gently), { forced: false });
  t.same(await manager.list(), [second]);
  t.same(bench.systemd.done, ["start a", "start a"]);
});

t.test("a stop does not hit a run that systemd has begun in its place, unseen", async (t) => {
  const bench = openBench(t);
  const manager = bench.manager();
  const exits = watchExits(manager);
  const { runId } = await startAgent(bench, manager);
  const release = bench.systemd.hold("show");
  await bench.systemd.killGroup("a");
  await bench.systemd.passRestartSec("a");
  const stopped = manager.stop(runId, gently);
  release();
  t.same(await stopped, { forced: false });
  t.ok(bench.systemd.isAlive("a"));
  t.match(await manager.list(), [{ agent: "a", runId: "inv-i2" }]);
  t.same(
    exits.all.map((exit) => exit.runId),
    [runId],
  );
});

t.test("a start that was asked for during a stop comes after it", async (t) => {
  const bench = openBench(t);
  const manager = bench.manager();
  const exits = watchExits(manager);
  const first = await startAgent(bench, manager);
  const release = bench.systemd.hold("stop");
  const stopped = manager.stop(first.runId, gently);
  const started = startAgent(bench, manager);
  await until("the stop is under way", () => bench.systemd.done.includes("stop a"));
  release();
  t.same(await stopped, { forced: false });
  const second = await started;
  t.same(bench.systemd.done, ["start a", "stop a", "start a"]);
  t.same(await manager.list(), [second]);
  t.equal(exits.all.length, 1);
});

t.test("a stop of a stranger does not hit the start that takes it over meanwhile", async (t) => {
  const bench = openBench(t);
  const manager = bench.manager();
  const exits = watchExits(manager);
  bench.systemd.define("a", { digest: "d1" });
  await bench.systemd.startOutside("a");
  t.match(await manager.list(), [{ runId: "inv-i1" }]);
  const release = bench.systemd.hold("start");
  const started = startAgent(bench, manager);
  await until("the start is under way", () => bench.systemd.done.includes("start a"));
  const stopped = manager.stop("inv-i1", gently);
  release();
  const run = await started;
  t.same(await stopped, { forced: false });
  t.same(await manager.list(), [run]);
  t.same(exits.all, []);
});

t.test("a run that had to be killed was stopped by force", async (t) => {
  const bench = openBench(t);
  const manager = bench.manager();
  const exits = watchExits(manager);
  const { runId } = await startAgent(bench, manager, { definition: { heeds: "kill" } });
  t.same(await manager.stop(runId, gently), { forced: true });
  t.same((await exits.of(runId)).cause, { kind: "stopped", inSwitch: false });
  const again = await startAgent(bench, manager);
  t.same(await manager.stop(again.runId, gently), { forced: false }, "the next one was not");
});

t.test("a stop that does not come about is an error, and can be asked for again", async (t) => {
  const bench = openBench(t);
  const manager = bench.manager();
  const exits = watchExits(manager);
  const run = await startAgent(bench, manager, { definition: { heeds: "nothing" } });
  await t.rejects(manager.stop(run.runId, gently), { message: /did not end within 32000 ms/ });
  t.same(await manager.list(), [run]);
  t.same(exits.all, []);
  bench.systemd.define("a", { digest: "d1" });
  t.same(await manager.stop(run.runId, gently), { forced: false });
  t.same(await manager.list(), []);
  t.equal(exits.all.length, 1);
});

t.test("a run is stopped once nothing is left of it, not when its main process has ended", async (t) => {
  const bench = openBench(t);
  const manager = bench.manager();
  const exits = watchExits(manager);
  const run = await startAgent(bench, manager, { definition: { leaves: 4_711 } });
  for (let time = 0; time < 2; time += 1)
    await t.rejects(manager.stop(run.runId, gently), { message: /not ended what is left of .*: 4711\)/ });
  t.same(await manager.list(), [run], "it goes on for the core, which starts no second one");
  t.same(exits.all, []);
  bench.systemd.clearAway("a");
  t.match(await exits.of(run.runId), { cause: { kind: "stopped" } });
  t.same(await manager.list(), []);
});

t.test(
  "nothing is started beside what is left of the last run, after a crash or by the next watchd",
  async (t) => {
    const bench = openBench(t);
    const manager = bench.manager();
    const exits = watchExits(manager);
    const first = await startAgent(bench, manager, { definition: { leaves: 4_711 } });
    await bench.systemd.end("a", { code: 1 });
    await exits.of(first.runId);
    const unable = { code: "WATCHD_E_START", message: /not ended what is left of .*: 4711\)/ };
    await t.rejects(startAgent(bench, manager, { definition: { leaves: 4_711 } }), unable);
    await manager.close();
    const next = bench.manager();
    t.same(await next.list(), []);
    await t.rejects(startAgent(bench, next, { definition: { leaves: 4_711 } }), unable);
    t.equal(bench.systemd.done.filter((done) => done === "start a").length, 1);
    bench.systemd.clearAway("a");
    t.same(await next.list(), []);
    const second = await startAgent(bench, next);
    t.same(await next.list(), [second]);
  },
);

t.test("stops of several agents do not wait for each other", async (t) => {
  const bench = openBench(t);
  const manager = bench.manager();
  const a = await startAgent(bench, manager);
  const b = await startAgent(bench, manager, { agent: "b" });
  const release = bench.systemd.hold("stop");
  const first = manager.stop(a.runId, gently);
  await until("the first stop is under way", () => bench.systemd.done.includes("stop a"));
  const second = manager.stop(b.runId, gently);
  await until("the second stop is under way", () => bench.systemd.done.includes("stop b"));
  release();
  t.same(await Promise.all([first, second]), [{ forced: false }, { forced: false }]);
});

t.test("what a person has stopped is on disk, and stops nothing by itself", async (t) => {
  const bench = openBench(t);
  const manager = bench.manager();
  const run = await startAgent(bench, manager);
  await manager.setStopped("a", true);
  t.same([...(await manager.stopped())], ["a"]);
  t.same(bench.files("stopped"), ["a"]);
  t.same([...(await bench.manager().stopped())], ["a"]);
  t.same(await manager.list(), [run]);
  await manager.setStopped("a", false);
  t.same([...(await manager.stopped())], []);
});
