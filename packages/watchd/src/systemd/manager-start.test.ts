import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AgentManifest } from "@daruma/config";
import t, { type Test } from "tap";
import { freePort, healthOn, manifestOf, nextRunId, watchExits } from "../processes/fixtures/lab.ts";
import { type Bench, command, openBench, startAgent } from "./fixtures/bench.ts";
import type { Definition } from "./fixtures/fake-systemd.ts";
import { createSystemdManager } from "./manager.ts";

async function refuses(
  t: Test,
  expected: { readonly code: string; readonly message?: RegExp },
  definition: Definition,
  manifest: Partial<AgentManifest> = {},
): Promise<Bench> {
  const bench = openBench(t);
  const manager = bench.manager();
  const exits = watchExits(manager);
  await t.rejects(startAgent(bench, manager, { definition, manifest }), { message: /./, ...expected });
  t.same(await manager.list(), []);
  t.same(exits.all, [], "what was never started does not end");
  t.same(bench.files("runs"), []);
  return bench;
}

t.test("a start is a run of the id that was asked for", async (t) => {
  const bench = openBench(t);
  const manager = bench.manager();
  const before = Date.now();
  const run = await startAgent(bench, manager);
  t.match(run, { agent: "a", digest: "d1", pid: bench.systemd.facts("a").mainPid, runId: /^run-/ });
  t.ok(Math.abs(run.startedAt - before) < 60_000);
  t.same(await manager.list(), [run]);
  t.same(bench.systemd.done, ["start a"]);
});

t.test("a unit that systemd has started already is taken over under the new id", async (t) => {
  const bench = openBench(t);
  const manager = bench.manager();
  const exits = watchExits(manager);
  bench.systemd.define("a", { digest: "d1" });
  await bench.systemd.startOutside("a");
  const pid = bench.systemd.facts("a").mainPid;
  const run = await startAgent(bench, manager);
  t.equal(run.pid, pid);
  t.same(await manager.list(), [run]);
  t.same(exits.all, []);
});

t.test("so is one that was found before", async (t) => {
  const bench = openBench(t);
  const manager = bench.manager();
  const exits = watchExits(manager);
  bench.systemd.define("a", { digest: "d1" });
  await bench.systemd.startOutside("a");
  t.match(await manager.list(), [{ runId: "inv-i1" }]);
  const run = await startAgent(bench, manager);
  t.same(await manager.list(), [run]);
  await bench.systemd.end("a", { code: 3 });
  t.same(await exits.of(run.runId), { agent: "a", runId: run.runId, cause: { kind: "exit", code: 3 } });
  t.equal(exits.all.length, 1);
});

t.test("a program that ends at once is reported as started, and then as ended with its cause", async (t) => {
  const bench = openBench(t);
  const manager = bench.manager();
  const exits = watchExits(manager);
  for (const [end, cause] of [
    [{ code: 7 }, { kind: "exit", code: 7 }],
    [{ code: 0 }, { kind: "exit", code: 0 }],
    [
      { signal: "SEGV", dumped: true },
      { kind: "signal", signal: "SIGSEGV", core: true },
    ],
  ] as const) {
    const run = await startAgent(bench, manager, { definition: { endsAtOnce: end } });
    t.ok(
      exits.all.every(({ runId }) => runId !== run.runId),
      "the exit comes after the start",
    );
    t.same((await exits.of(run.runId)).cause, cause);
    t.same(await manager.list(), []);
  }
  t.equal(exits.all.length, 3);
});

t.test("what systemd cannot execute is refused by code", async (t) => {
  const missing = ["/no/such/program"];
  await refuses(
    t,
    { code: "AGENT_E_COMMAND_NOT_FOUND", message: /\/no\/such\/program/ },
    { cannot: 203 },
    { command: missing },
  );
  await refuses(t, { code: "AGENT_E_NOT_EXECUTABLE" }, { cannot: 203 }, { command: ["/etc/passwd"] });
  await refuses(
    t,
    { code: "AGENT_E_WORKING_DIRECTORY", message: /\/no\/such\/place/ },
    { cannot: 200 },
    { workingDirectory: "/no/such/place" },
  );
  await refuses(t, { code: "AGENT_E_WORKING_DIRECTORY", message: /state directory/ }, { cannot: 200 });
  await refuses(
    t,
    { code: "AGENT_E_CREDENTIAL", message: /\/no\/such\/key/ },
    { cannot: 243 },
    { credentials: { KEY: "/no/such/key" } },
  );
  await refuses(
    t,
    { code: "AGENT_E_START_FAILED", message: /exit-code.*journalctl -u daruma-agent-a/ },
    { cannot: 217 },
  );
});

t.test("why an earlier start failed is not said of one that systemd did not even try", async (t) => {
  const bench = await refuses(t, { code: "AGENT_E_CREDENTIAL" }, { cannot: 243 });
  const manager = bench.manager();
  await manager.list();
  bench.systemd.startOutside = async () => ({ ok: false, message: "Unit daruma-agent-a.service is masked." });
  await t.rejects(startAgent(bench, manager), { code: "WATCHD_E_START", message: /is masked/ });
});

t.test("what a person has stopped is not started", async (t) => {
  const bench = openBench(t);
  const manager = bench.manager();
  await manager.setStopped("a", true);
  await t.rejects(startAgent(bench, manager), { code: "WATCHD_E_STOPPED_BY_PERSON" });
  t.same(bench.systemd.done, []);
  await manager.setStopped("a", false);
  await startAgent(bench, manager);
});

t.test("nor is it taken for a run of before, if the person was faster than we were", async (t) => {
  for (const traced of [true, false]) {
    const bench = openBench(t);
    const manager = bench.manager();
    const exits = watchExits(manager);
    const first = await startAgent(bench, manager);
    if (traced) await bench.systemd.end("a", { code: 1 });
    else await bench.systemd.killGroup("a");
    await manager.list();
    await bench.systemd.stopOutside("a");
    const { startOutside } = bench.systemd;
    bench.systemd.startOutside = (agent) => {
      bench.putStopFile(agent);
      return startOutside.call(bench.systemd, agent);
    };
    await t.rejects(startAgent(bench, manager), { code: "WATCHD_E_STOPPED_BY_PERSON" });
    t.same(
      exits.all.map(({ runId }) => runId),
      [first.runId],
    );
  }
});

t.test("a unit that systemd does not have is no person's stop", async (t) => {
  const bench = openBench(t);
  const refused = bench.manager().start({ agent: "a", runId: nextRunId(), manifest: manifestOf(command) });
  await t.rejects(refused, { code: "AGENT_E_START_FAILED", message: /no definition of daruma-agent-a/ });
  t.equal(bench.systemd.done.filter((each) => each === "reload").length, 1);
});

t.test("a definition that systemd has not read yet is read, once", async (t) => {
  for (const known of [true, false]) {
    const bench = openBench(t);
    const manager = bench.manager();
    if (known) bench.systemd.define("a", { digest: "old" });
    bench.systemd.write("a", { digest: "d1" });
    const run = await manager.start({ agent: "a", runId: nextRunId(), manifest: manifestOf(command) });
    t.equal(run.digest, "d1");
    t.same(await manager.list(), [run]);
    t.same(bench.systemd.done.slice(-2), ["reload", "start a"]);
  }
});

t.test("one that is another after that too is an error, and is not left running", async (t) => {
  for (const definition of [
    { digest: "old" },
    { digest: "old", endsAtOnce: { code: 1 } },
    { digest: "old", cannot: 203 },
  ]) {
    const bench = await refuses(
      t,
      { code: "AGENT_E_START_FAILED", message: /another definition/ },
      definition,
    );
    t.notOk(bench.systemd.isAlive("a"));
    t.equal(bench.systemd.done.filter((each) => each === "reload").length, 1);
  }
});

t.test("an agent whose port a stranger serves is not started, one that runs is taken over", async (t) => {
  const bench = openBench(t);
  const manager = bench.manager();
  const port = await freePort();
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  const manifest = { health: healthOn(port) };
  await t.rejects(startAgent(bench, manager, { manifest }), { code: "AGENT_E_PORT_IN_USE" });
  t.same(bench.systemd.done, []);
  await bench.systemd.startOutside("a");
  await manager.list();
  await startAgent(bench, manager, { manifest });
});

t.test("a systemd that does not answer is an error", async (t) => {
  const bench = openBench(t);
  const manager = bench.manager();
  bench.systemd.show = async () => {
    throw new Error("connection timed out");
  };
  await t.rejects(startAgent(bench, manager), { message: /timed out/ });
  await t.rejects(manager.list(), { message: /timed out/ });
});

t.test("a binding that cannot be written is only logged: the agent runs", async (t) => {
  const bench = openBench(t);
  const manager = bench.manager();
  const exits = watchExits(manager);
  // A directory in the place of the file: no user, not even root, can rename a file over it.
  mkdirSync(bench.path("runs/a/x"), { recursive: true });
  const run = await startAgent(bench, manager);
  t.same(await manager.list(), [run]);
  t.match(bench.log, [/binding of a/]);
  await bench.systemd.end("a", { code: 1 });
  await exits.of(run.runId);
});

t.test("directories that cannot be used are refused by code", async (t) => {
  const bench = openBench(t);
  const file = bench.path("file");
  writeFileSync(file, "");
  for (const site of [
    { runs: file, held: bench.path("held") },
    { runs: bench.path("runs"), held: file },
  ]) {
    const options = { site, systemctl: bench.systemd, isSwitching: () => false, log: () => undefined };
    t.throws(() => createSystemdManager(options), { code: "WATCHD_E_STATE_DIRECTORY" });
  }
});
