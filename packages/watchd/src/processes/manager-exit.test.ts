import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import {
  fakeAgentCommand,
  freePort,
  healthOn,
  manifestOf,
  nextRunId,
  openLab,
  startFake,
  until,
  watchExits,
} from "./fixtures/lab.ts";

t.test("an exit is reported once, with its code", async (t) => {
  const lab = openLab(t);
  const manager = lab.manager();
  const exits = watchExits(manager);
  const runId = nextRunId();
  await manager.start({ agent: "a", runId, manifest: manifestOf(["/bin/sh", "-c", "exit 75"]) });
  t.same(await exits.of(runId), { agent: "a", runId, cause: { kind: "exit", code: 75 } });
  await manager.stop(runId, { signal: "SIGTERM", graceMs: 0 });
  t.equal(exits.all.length, 1);
});

t.test("a kill is reported with its signal, within milliseconds", async (t) => {
  const lab = openLab(t);
  const manager = lab.manager();
  const exits = watchExits(manager);
  const delays: number[] = [];
  for (let round = 0; round < 15; round++) {
    const runId = nextRunId();
    const run = await manager.start({ agent: "a", runId, manifest: manifestOf(["/bin/sleep", "60"]) });
    const seen = new Promise<number>((resolve) =>
      manager.onExit((exit) => exit.runId === runId && resolve(performance.now())),
    );
    const start = performance.now();
    process.kill(run.pid, "SIGKILL");
    delays.push((await seen) - start);
    t.same((await exits.of(runId)).cause, { kind: "signal", signal: "SIGKILL" });
  }
  delays.sort((a, b) => a - b);
  // Usually 1 ms. The bound is one that polling could not keep and a loaded machine can.
  t.ok((delays[7] ?? 0) < 50, `median ${delays[7]} ms`);
});

t.test("every listener hears of an exit", async (t) => {
  const manager = openLab(t).manager();
  const one = watchExits(manager);
  const two = watchExits(manager);
  const runId = nextRunId();
  await manager.start({ agent: "a", runId, manifest: manifestOf(["/bin/true"]) });
  await one.of(runId);
  await two.of(runId);
});

t.test("what a crashed agent leaves behind in any group or session is killed", async (t) => {
  const lab = openLab(t);
  const manager = lab.manager();
  const options = ["--fork", "--fork-group", "--fork-session"];
  const run = await startFake(lab, manager, "a", options);
  // The agent, two sleeps of its own, and a shell with a third.
  await until("the whole family is there", () => lab.marked().length === 5);
  process.kill(run.pid, "SIGKILL");
  await until("nothing is left", () => lab.marked().length === 0);
});

t.test(
  "leftovers of a crashed run, and their hold on the port, are gone before the next run starts",
  async (t) => {
    const lab = openLab(t);
    const manager = lab.manager();
    const port = await freePort();
    const overrides = { health: healthOn(port) };
    // A shell that keeps the server as its child: the shell is killed, the server lives on with the port.
    const serve = `"$0" "$@" & wait`;
    const manifest = manifestOf(
      ["/bin/sh", "-c", serve, ...fakeAgentCommand(`--port=${port}`, "--ignore-term")],
      overrides,
    );
    const first = await manager.start({ agent: "a", runId: nextRunId(), manifest });
    await until("the server is ready", () => lab.logOf("a").includes("ready\n"));
    const restarted = new Promise((resolve, reject) => {
      manager.onExit((exit) => {
        if (exit.runId === first.runId)
          manager.start({ agent: "a", runId: nextRunId(), manifest }).then(resolve, reject);
      });
    });
    process.kill(first.pid, "SIGKILL");
    await restarted;
    await until("the second server is ready", () => lab.logOf("a").split("ready\n").length === 3);
    t.equal(lab.marked().length, 2);
  },
);

t.test("a start waits for an earlier run that is still being stopped", async (t) => {
  const lab = openLab(t);
  const manager = lab.manager();
  const first = await startFake(lab, manager, "a", ["--ignore-term"]);
  const stopping = manager.stop(first.runId, { signal: "SIGTERM", graceMs: 100 });
  await startFake(lab, manager, "a");
  t.same(await stopping, { forced: true });
  t.equal(lab.marked().length, 1);
});

t.test("agents do not disturb each other", async (t) => {
  const lab = openLab(t);
  const manager = lab.manager();
  const exits = watchExits(manager);
  const a = await startFake(lab, manager, "a", ["--fork"]);
  const b = await startFake(lab, manager, "b", ["--fork"]);
  process.kill(a.pid, "SIGKILL");
  await exits.of(a.runId);
  await until("only b is left", () => lab.marked().length === 2);
  t.same(
    (await manager.list()).map(({ runId }) => runId),
    [b.runId],
  );
});

t.test("credentials of a run are removed when it ends by itself", async (t) => {
  const lab = openLab(t);
  const manager = lab.manager();
  const secret = join(lab.stateDir, "secret");
  writeFileSync(secret, "s3cret");
  const run = await startFake(lab, manager, "a", [], { credentials: { KEY: secret } });
  const key = join(lab.runtimeDir, "credentials", "a", "KEY");
  t.ok(existsSync(key));
  process.kill(run.pid, "SIGKILL");
  await until("the credentials are gone", () => !existsSync(key));
});

t.test("usage is counted over the whole run, for the runs asked for that are alive", async (t) => {
  const lab = openLab(t);
  const manager = lab.manager();
  const small = await startFake(lab, manager, "small");
  const large = await startFake(lab, manager, "large", ["--allocate=64", "--fork", "--fork-session"]);
  const other = await startFake(lab, manager, "other");
  const usage = await manager.usage([small.runId, large.runId, "no-such-run"]);
  t.same([...usage.keys()].sort(), [small.runId, large.runId].sort());
  const mib = (runId: string) => (usage.get(runId)?.memoryBytes ?? 0) / 1024 / 1024;
  t.ok(mib(small.runId) > 10 && mib(small.runId) < 500, `${mib(small.runId)} MiB`);
  t.ok(mib(large.runId) - mib(small.runId) > 50, `${mib(large.runId)} MiB`);
  const { cpuMs, openFiles, tasks } = usage.get(large.runId) ?? {};
  t.ok((cpuMs ?? 0) > 0 && (openFiles ?? 0) > 10 && (tasks ?? 0) > 5, JSON.stringify(usage.get(large.runId)));
  await manager.stop(other.runId, { signal: "SIGTERM", graceMs: 0 });
  t.equal((await manager.usage([other.runId])).size, 0);
  t.equal((await manager.usage([])).size, 0);
});

t.test("after closing, agents keep running and nothing is reported", async (t) => {
  const lab = openLab(t);
  const manager = lab.manager();
  const exits = watchExits(manager);
  const run = await startFake(lab, manager, "a", ["--fork"]);
  await manager.close();
  t.equal(lab.marked().length, 2);
  process.kill(run.pid, "SIGKILL");
  await until("the agent is gone", () => lab.marked().length === 1);
  t.same(exits.all, []);
  await t.rejects(
    manager.start({ agent: "a", runId: nextRunId(), manifest: manifestOf(["/bin/sleep", "60"]) }),
    {
      code: "AGENT_E_START_FAILED",
    },
  );
});
