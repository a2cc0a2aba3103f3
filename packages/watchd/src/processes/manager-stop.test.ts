import t from "tap";
import { manifestOf, nextRunId, openLab, startFake, until, watchExits } from "./fixtures/lab.ts";

t.test("an agent that heeds the signal is stopped without force", async (t) => {
  const lab = openLab(t);
  const manager = lab.manager();
  const exits = watchExits(manager);
  const run = await startFake(lab, manager, "a");
  t.same(await manager.stop(run.runId, { signal: "SIGTERM", graceMs: 30_000 }), { forced: false });
  t.same(exits.all, [{ agent: "a", runId: run.runId, cause: { kind: "signal", signal: "SIGTERM" } }]);
  t.same(await manager.list(), []);
  t.same(lab.marked(), []);
});

t.test("the declared signal is the one that is sent", async (t) => {
  const lab = openLab(t);
  const manager = lab.manager();
  const exits = watchExits(manager);
  for (const signal of ["SIGINT", "SIGHUP", "SIGUSR2", "SIGQUIT"] as const) {
    const runId = nextRunId();
    await manager.start({ agent: "a", runId, manifest: manifestOf(["/bin/sleep", "60"]) });
    t.same(await manager.stop(runId, { signal, graceMs: 30_000 }), { forced: false });
    t.same((await exits.of(runId)).cause, { kind: "signal", signal });
  }
});

t.test("an agent that ignores the signal is killed after the grace and not before", async (t) => {
  const lab = openLab(t);
  const manager = lab.manager();
  const exits = watchExits(manager);
  const run = await startFake(lab, manager, "a", ["--ignore-term"]);
  const start = performance.now();
  t.same(await manager.stop(run.runId, { signal: "SIGTERM", graceMs: 200 }), { forced: true });
  t.ok(performance.now() - start >= 198);
  t.same((await exits.of(run.runId)).cause, { kind: "signal", signal: "SIGKILL" });
  t.same(lab.marked(), []);
});

t.test("the whole family gets the signal, so that nothing of it has to be killed", async (t) => {
  const lab = openLab(t);
  const manager = lab.manager();
  const run = await startFake(lab, manager, "a", ["--fork", "--fork-group", "--fork-session"]);
  await until("the whole family is there", () => lab.marked().length === 5);
  t.same(await manager.stop(run.runId, { signal: "SIGTERM", graceMs: 30_000 }), { forced: false });
  t.same(lab.marked(), []);
});

t.test("a child that outlives its leader gets the rest of the grace, then it is killed", async (t) => {
  const lab = openLab(t);
  const manager = lab.manager();
  const stubborn = `(trap "" TERM; echo ready; while :; do sleep 1; done) & wait`;
  const runId = nextRunId();
  await manager.start({ agent: "a", runId, manifest: manifestOf(["/bin/sh", "-c", stubborn]) });
  await until("the child is ready", () => lab.logOf("a").includes("ready"));
  const start = performance.now();
  t.same(await manager.stop(runId, { signal: "SIGTERM", graceMs: 300 }), { forced: true });
  t.ok(performance.now() - start >= 298);
  t.same(lab.marked(), []);
});

t.test("a child that takes a moment to end after its leader is waited for", async (t) => {
  const lab = openLab(t);
  const manager = lab.manager();
  const slow = `(trap "sleep 0.2; echo saved; exit 0" TERM; echo ready; while :; do sleep 0.01; done) & wait`;
  const runId = nextRunId();
  await manager.start({ agent: "a", runId, manifest: manifestOf(["/bin/sh", "-c", slow]) });
  await until("the child is ready", () => lab.logOf("a").includes("ready"));
  t.same(await manager.stop(runId, { signal: "SIGTERM", graceMs: 30_000 }), { forced: false });
  t.match(lab.logOf("a"), "saved");
});

t.test("a fork bomb's heirs are all killed", async (t) => {
  const lab = openLab(t);
  const manager = lab.manager();
  // Each process is replaced by another one, for a while, in sessions of their own too.
  const hydra = `trap "" TERM; n=0; echo ready; while [ $n -lt 3000 ]; do n=$((n+1)); sleep 20 & [ $((n%10)) = 0 ] && setsid sleep 20 & sleep 0.002; done`;
  const runId = nextRunId();
  await manager.start({ agent: "a", runId, manifest: manifestOf(["/bin/sh", "-c", hydra]) });
  await until("it has forked", () => lab.marked().length > 20);
  t.same(await manager.stop(runId, { signal: "SIGTERM", graceMs: 50 }), { forced: true });
  t.same(lab.marked(), []);
});

t.test("a stopped (SIGSTOP) agent is woken to end by itself", async (t) => {
  const lab = openLab(t);
  const manager = lab.manager();
  const run = await startFake(lab, manager, "a");
  process.kill(run.pid, "SIGSTOP");
  t.same(await manager.stop(run.runId, { signal: "SIGTERM", graceMs: 30_000 }), { forced: false });
});

t.test("stopping twice at once is one stop, and later ones find nothing to do", async (t) => {
  const lab = openLab(t);
  const manager = lab.manager();
  const exits = watchExits(manager);
  const run = await startFake(lab, manager, "a", ["--ignore-term"]);
  const policy = { signal: "SIGTERM", graceMs: 50 } as const;
  const both = await Promise.all([manager.stop(run.runId, policy), manager.stop(run.runId, policy)]);
  t.same(both, [{ forced: true }, { forced: true }]);
  t.same(await manager.stop(run.runId, policy), { forced: false });
  t.equal(exits.all.length, 1);
});

t.test("a second stop with less patience cuts the first one's short", async (t) => {
  const lab = openLab(t);
  const manager = lab.manager();
  const run = await startFake(lab, manager, "a", ["--ignore-term"]);
  const patient = manager.stop(run.runId, { signal: "SIGTERM", graceMs: 600_000 });
  await manager.stop(run.runId, { signal: "SIGTERM", graceMs: 0 });
  t.same(await patient, { forced: true });
});

t.test("a run that is gone, or never was, is no error", async (t) => {
  const lab = openLab(t);
  const manager = lab.manager();
  const exits = watchExits(manager);
  t.same(await manager.stop("no-such-run", { signal: "SIGTERM", graceMs: 0 }), { forced: false });
  const run = await startFake(lab, manager, "a");
  process.kill(run.pid, "SIGKILL");
  await exits.of(run.runId);
  t.same(await manager.stop(run.runId, { signal: "SIGTERM", graceMs: 30_000 }), { forced: false });
});
