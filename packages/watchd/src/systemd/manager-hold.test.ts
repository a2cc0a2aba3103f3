import t from "tap";
import type { ServiceManager } from "../ports.ts";
import { until, watchExits } from "../processes/fixtures/lab.ts";
import { type Bench, openBench, startAgent } from "./fixtures/bench.ts";

const soon = { holdAfterMs: 20 };

const rests = (bench: Bench) => until("it rests", () => bench.systemd.facts("a").activeState === "inactive");

t.test("a unit that waits for systemd's restart is held, and is in the list of those", async (t) => {
  const bench = openBench(t);
  const manager = bench.manager(soon);
  const exits = watchExits(manager);
  const { runId } = await startAgent(bench, manager);
  await bench.systemd.end("a", { code: 1 });
  await exits.of(runId);
  await rests(bench);
  t.same(bench.files("held"), ["a"]);
  t.equal(exits.all.length, 1);
  t.same(await manager.list(), []);
  await startAgent(bench, manager);
  t.same(bench.files("held"), []);
});

t.test("so is one that was found like that, or could not be executed", async (t) => {
  const found = openBench(t);
  found.systemd.define("a", { digest: "d1", endsAtOnce: { code: 1 } });
  await found.systemd.startOutside("a");
  await found.manager(soon).list();
  await rests(found);
  const refused = openBench(t);
  await t.rejects(startAgent(refused, refused.manager(soon), { definition: { cannot: 203 } }));
  await rests(refused);
  for (const bench of [found, refused]) t.same(bench.files("held"), ["a"]);
});

t.test("it is left alone until then", async (t) => {
  const bench = openBench(t);
  const manager = bench.manager();
  const exits = watchExits(manager);
  const { runId } = await startAgent(bench, manager);
  await bench.systemd.end("a", { code: 1 });
  await exits.of(runId);
  await manager.list();
  t.equal(bench.systemd.facts("a").subState, "auto-restart");
  t.same(bench.systemd.done, ["start a"]);
  t.same(bench.files("held"), []);
});

/** A second agent fails after the first one: once it is held, the first would have been. */
async function anotherIsHeld(bench: Bench, manager: ServiceManager): Promise<void> {
  await startAgent(bench, manager, { agent: "b" });
  await bench.systemd.end("b", { code: 1 });
  await until("the other one is held", () => bench.files("held").includes("b"));
}

t.test("one that systemd or a person has started meanwhile is not held any more", async (t) => {
  for (const start of ["passRestartSec", "startOutside"] as const) {
    const bench = openBench(t);
    const manager = bench.manager(soon);
    manager.onExit(({ agent }) => agent === "a" && void bench.systemd[start]("a"));
    await startAgent(bench, manager);
    await bench.systemd.end("a", { code: 1 });
    await until("it is up again", () => bench.systemd.isAlive("a"));
    await anotherIsHeld(bench, manager);
    t.match(await manager.list(), [{ agent: "a", runId: "inv-i2" }]);
    t.notOk(bench.systemd.done.includes("stop a"));
    t.same(bench.files("held"), ["b"]);
  }
});

t.test("one that we have started is not held any more", async (t) => {
  const bench = openBench(t);
  const manager = bench.manager(soon);
  const exits = watchExits(manager);
  const first = await startAgent(bench, manager);
  await bench.systemd.end("a", { code: 1 });
  await exits.of(first.runId);
  const run = await startAgent(bench, manager);
  await anotherIsHeld(bench, manager);
  t.same(await manager.list(), [run]);
  t.same(bench.files("held"), ["b"]);
});

t.test("one that a person has started by hand is no longer in the list of those held", async (t) => {
  const bench = openBench(t);
  const manager = bench.manager(soon);
  await startAgent(bench, manager);
  await bench.systemd.end("a", { code: 1 });
  await until("it is held", () => bench.files("held").length === 1);
  await rests(bench);
  await bench.systemd.startOutside("a");
  await until("it is found", async () => (await manager.list()).length === 1);
  t.same(bench.files("held"), []);
});

t.test("one that has ended well, or was stopped, does not wait for anything", async (t) => {
  const bench = openBench(t);
  const manager = bench.manager(soon);
  const exits = watchExits(manager);
  const { runId } = await startAgent(bench, manager);
  await bench.systemd.end("a", { code: 0 });
  await exits.of(runId);
  await anotherIsHeld(bench, manager);
  t.same(bench.files("held"), ["b"]);
  t.notOk(bench.systemd.done.includes("stop a"));
});

t.test("a watchd that has ended holds nothing any more", async (t) => {
  const bench = openBench(t);
  const manager = bench.manager(soon);
  const exits = watchExits(manager);
  manager.onExit(() => void manager.close());
  const { runId } = await startAgent(bench, manager);
  await bench.systemd.end("a", { code: 1 });
  await exits.of(runId);
  await anotherIsHeld(bench, bench.manager(soon));
  t.same(bench.files("held"), ["b"]);
});
