import { rmSync, writeFileSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import t from "tap";
import { until, watchExits } from "../processes/fixtures/lab.ts";
import { usageOfProcesses } from "../processes/process-usage.ts";
import { type Bench, gently, openBench, startAgent } from "./fixtures/bench.ts";

t.test("an end is told once, with its cause, without being asked for", async (t) => {
  const bench = openBench(t);
  const manager = bench.manager();
  const exits = watchExits(manager);
  for (const [end, cause] of [
    [{ code: 3 }, { kind: "exit", code: 3 }],
    [{ signal: "KILL" }, { kind: "signal", signal: "SIGKILL" }],
    [
      { signal: "SEGV", dumped: true },
      { kind: "signal", signal: "SIGSEGV", core: true },
    ],
  ] as const) {
    const { runId } = await startAgent(bench, manager);
    await bench.systemd.end("a", end);
    t.same(await exits.of(runId), { agent: "a", runId, cause });
  }
  await manager.list();
  await manager.list();
  t.equal(exits.all.length, 3);
  t.same(bench.log, []);
});

t.test("an end whose hook was killed along is told by the control group and by systemd", async (t) => {
  const bench = openBench(t);
  const manager = bench.manager();
  const exits = watchExits(manager);
  const { runId } = await startAgent(bench, manager);
  await bench.systemd.killGroup("a");
  t.same((await exits.of(runId)).cause, { kind: "signal", signal: "SIGKILL" });
});

t.test("an end is told by its trace, and half of one says nothing yet: systemd is not asked", async (t) => {
  const bench = openBench(t);
  const manager = bench.manager({ traceWithinMs: 3_600_000 });
  const exits = watchExits(manager);
  const { runId } = await startAgent(bench, manager);
  const { show } = bench.systemd.asked;
  const line = `exit-code exited 3 ${bench.systemd.facts("a").invocation}`;
  // As a shell does it: a file, and then what is in it.
  writeFileSync(bench.path("exits/a"), "");
  writeFileSync(bench.path("exits/a"), line);
  await nextTurn();
  writeFileSync(bench.path("exits/a"), `${line}\n`);
  t.match(await exits.of(runId), { cause: { kind: "exit", code: 3 } });
  t.equal(bench.systemd.asked.show, show);
});

t.test("what the hook leaves of a run that has been told of is nothing to ask about", async (t) => {
  const bench = openBench(t);
  const manager = bench.manager();
  const exits = watchExits(manager);
  const { runId } = await startAgent(bench, manager);
  const other = await startAgent(bench, manager, { agent: "b" });
  bench.systemd.endUnnoticed("a", { code: 3 });
  await manager.list();
  t.equal(exits.all[0]?.runId, runId);
  const { show } = bench.systemd.asked;
  writeFileSync(bench.path("exits/a"), `exit-code exited 3 ${bench.systemd.facts("a").invocation}\n`);
  // Traces are heard of in their order.
  writeFileSync(bench.path("exits/b"), `exit-code exited 4 ${bench.systemd.facts("b").invocation}\n`);
  t.match(await exits.of(other.runId), { cause: { kind: "exit", code: 4 } });
  t.equal(bench.systemd.asked.show, show);
});

t.test("a stop by somebody else is told as one, and so is what they start then", async (t) => {
  const bench = openBench(t);
  const manager = bench.manager();
  const exits = watchExits(manager);
  const { runId } = await startAgent(bench, manager);
  await bench.systemd.stopOutside("a");
  t.same((await exits.of(runId)).cause, { kind: "stopped", inSwitch: false });
  let hints = 0;
  manager.onFound(() => {
    hints += 1;
  });
  await bench.systemd.startOutside("a");
  t.match(await manager.list(), [{ agent: "a", runId: "inv-i2", digest: "d1" }]);
  t.equal(hints, 1);
  await manager.list();
  t.equal(hints, 1, "it is found once");
  await bench.systemd.end("a", { code: 9 });
  t.same(await exits.of("inv-i2"), { agent: "a", runId: "inv-i2", cause: { kind: "exit", code: 9 } });
});

t.test("an edge that is lost is made good by the list", async (t) => {
  const bench = openBench(t);
  const manager = bench.manager();
  const exits = watchExits(manager);
  const { runId } = await startAgent(bench, manager);
  bench.systemd.endUnnoticed("a", { code: 4 });
  t.same(await manager.list(), []);
  t.same(exits.all, [{ agent: "a", runId, cause: { kind: "exit", code: 4 } }]);
});

t.test("a list asks systemd about those units only that have changed, and some in turn", async (t) => {
  const bench = openBench(t);
  const manager = bench.manager();
  const shown: (readonly string[])[] = [];
  const { show } = bench.systemd;
  const agents = Array.from({ length: 45 }, (_, index) => `a${index}`);
  for (const agent of agents) await startAgent(bench, manager, { agent });
  await manager.list();
  bench.systemd.show = (units) => {
    shown.push(units);
    return show.call(bench.systemd, units);
  };
  for (let time = 0; time < 9; time += 1) await manager.list();
  const looked = shown.flat();
  t.equal(looked.length, 45, "nine lists look at each once");
  t.equal(new Set(looked).size, 45);
  t.ok(shown.every((units) => units.length <= 5));
  bench.systemd.endUnnoticed("a44", { code: 1 });
  await manager.list();
  t.ok(shown.at(-1)?.includes("daruma-agent-a44.service"), "what has changed does not wait for its turn");
});

/** The next answer is as of now, and comes when the returned function is called. */
function holdNextAnswer({ systemd }: Bench): () => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { show } = systemd;
  systemd.show = async (units) => {
    systemd.show = show;
    const answer = await show.call(systemd, units);
    await promise;
    return answer;
  };
  return resolve;
}

t.test("an answer that a newer run has overtaken does not end that run", async (t) => {
  const bench = openBench(t);
  const manager = bench.manager();
  const exits = watchExits(manager);
  bench.systemd.define("a", { digest: "d1" });
  await manager.list();
  const release = holdNextAnswer(bench);
  const list = manager.list();
  await until("the list has asked", () => bench.systemd.asked.show === 2);
  const run = await startAgent(bench, manager);
  release();
  t.same(await list, [run]);
  t.same(exits.all, []);
});

t.test("nor does one that comes while it is being started", async (t) => {
  const bench = openBench(t);
  const manager = bench.manager();
  const exits = watchExits(manager);
  bench.systemd.define("a", { digest: "d1" });
  await manager.list();
  const release = holdNextAnswer(bench);
  const list = manager.list();
  await until("the list has asked", () => bench.systemd.asked.show === 2);
  const finish = bench.systemd.hold("start");
  const started = startAgent(bench, manager);
  await until("it is being started", () => bench.systemd.isAlive("a"));
  release();
  t.same(await list, []);
  finish();
  const run = await started;
  t.same(await manager.list(), [run]);
  t.same(exits.all, []);
});

t.test("an answer that an end has overtaken does not bring the run back", async (t) => {
  const bench = openBench(t);
  const manager = bench.manager();
  const exits = watchExits(manager);
  const { runId } = await startAgent(bench, manager);
  const asked = bench.systemd.asked.show;
  const release = holdNextAnswer(bench);
  const list = manager.list();
  await until("the list has asked", () => bench.systemd.asked.show > asked);
  await bench.systemd.killGroup("a");
  await exits.of(runId);
  release();
  t.same(await list, []);
  t.equal(exits.all.length, 1);
});

t.test("a new watchd knows the runs of the old one by their ids", async (t) => {
  const bench = openBench(t);
  const old = bench.manager();
  const a = await startAgent(bench, old);
  const b = await startAgent(bench, old, { agent: "b" });
  const c = await startAgent(bench, old, { agent: "c" });
  await old.close();
  await bench.systemd.end("b", { code: 5 });
  await bench.systemd.stopOutside("c");
  const next = bench.manager();
  const exits = watchExits(next);
  t.same(await next.list(), [a]);
  t.same(exits.all, [
    { agent: "b", runId: b.runId, cause: { kind: "exit", code: 5 } },
    { agent: "c", runId: c.runId, cause: { kind: "stopped", inSwitch: false } },
  ]);
  await bench.systemd.end("a", { code: 6 });
  t.same((await exits.of(a.runId)).cause, { kind: "exit", code: 6 });
});

t.test(
  "a run that has been replaced while no watchd looked has ended, and its successor is found",
  async (t) => {
    const bench = openBench(t);
    const old = bench.manager();
    const { runId } = await startAgent(bench, old);
    await old.close();
    await bench.systemd.killGroup("a");
    await bench.systemd.passRestartSec("a");
    const next = bench.manager();
    const exits = watchExits(next);
    t.match(await next.list(), [{ agent: "a", runId: "inv-i2" }]);
    t.same(exits.all, [{ agent: "a", runId, cause: { kind: "unknown" } }]);
  },
);

t.test("a run whose file is lost or damaged is known by its invocation, and can be stopped", async (t) => {
  for (const damage of [
    (file: string) => rmSync(file),
    (file: string) => writeFileSync(file, '{"runId":7}'),
  ]) {
    const bench = openBench(t);
    const old = bench.manager();
    await startAgent(bench, old);
    await old.close();
    damage(bench.path("runs/a"));
    const next = bench.manager();
    t.match(await next.list(), [{ agent: "a", runId: "inv-i1", digest: "d1" }]);
    t.same(await next.stop("inv-i1", gently), { forced: false });
    t.notOk(bench.systemd.isAlive("a"));
  }
});

t.test("a unit that is no agent's is none of ours", async (t) => {
  const bench = openBench(t);
  bench.systemd.units = async () => [
    { unit: "daruma-agent-.service", state: "active/running" },
    { unit: "daruma-agent-A_b.service", state: "active/running" },
  ];
  t.same(await bench.manager().list(), []);
  t.equal(bench.systemd.asked.show, 0);
});

t.test("an end that only a closed watchd has seen is told by the next one", async (t) => {
  const bench = openBench(t);
  const old = bench.manager();
  const before = watchExits(old);
  const { runId } = await startAgent(bench, old);
  const asked = bench.systemd.asked.show;
  const release = bench.systemd.hold("show");
  writeFileSync(bench.path("exits/a.asked"), "i0\n");
  await until("it is being looked at", () => bench.systemd.asked.show > asked);
  await bench.systemd.end("a", { code: 8 });
  await old.close();
  release();
  await nextTurn();
  const next = bench.manager();
  const exits = watchExits(next);
  await next.list();
  t.same((await exits.of(runId)).cause, { kind: "exit", code: 8 });
  t.same(before.all, []);
});

t.test("after closing nothing is told, and agents keep running", async (t) => {
  const bench = openBench(t);
  const manager = bench.manager();
  const exits = watchExits(manager);
  let hints = 0;
  manager.onFound(() => {
    hints += 1;
  });
  await startAgent(bench, manager);
  await startAgent(bench, manager, { agent: "b" });
  await manager.close();
  t.ok(bench.systemd.isAlive("a"));
  await bench.systemd.end("a", { code: 1 });
  const next = bench.manager();
  const seen = watchExits(next);
  await next.list();
  t.equal(seen.all.length, 1);
  t.same(exits.all, []);
  t.equal(hints, 0);
});

t.test("without the directory of traces ends are found by looking, and it is said", async (t) => {
  const bench = openBench(t);
  rmSync(bench.path("exits"), { recursive: true });
  const manager = bench.manager();
  t.match(bench.log, [/exits cannot be watched/]);
  const exits = watchExits(manager);
  const { runId } = await startAgent(bench, manager);
  bench.systemd.endUnnoticed("a", { code: 4 });
  await manager.list();
  t.same((await exits.of(runId)).cause, { kind: "exit", code: 4 });
});

t.test("usage is that of all processes in the control group, of the runs asked for", async (t) => {
  const bench = openBench(t);
  const manager = bench.manager();
  const a = await startAgent(bench, manager);
  const b = await startAgent(bench, manager, { agent: "b" });
  bench.systemd.processes("a", [process.pid, process.ppid, 4_100_000]);
  const usage = await manager.usage([a.runId, "no-such-run"]);
  t.same([...usage.keys()], [a.runId]);
  const own = process.memoryUsage.rss();
  const parent = usageOfProcesses([process.ppid]).memoryBytes ?? 0;
  const bytes = usage.get(a.runId)?.memoryBytes ?? 0;
  t.ok(bytes > parent && bytes > own && bytes < 3 * (own + parent), `${bytes} of ${own} and ${parent}`);
  t.ok((usage.get(a.runId)?.openFiles ?? 0) > 3);
  t.equal((await manager.usage([b.runId])).get(b.runId)?.memoryBytes, 0, "its processes are gone already");
  rmSync(bench.path("cgroup"), { recursive: true });
  t.equal((await manager.usage([a.runId])).size, 0, "so is its control group");
  t.equal((await manager.usage([])).size, 0);
});
