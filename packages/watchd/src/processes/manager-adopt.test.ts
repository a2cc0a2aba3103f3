import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import t, { type Test } from "tap";
import type { Run, StartRequest } from "../ports.ts";
import {
  fakeAgentCommand,
  type Lab,
  manifestOf,
  nextRunId,
  openLab,
  startFake,
  until,
  watchExits,
} from "./fixtures/lab.ts";
import { readEnvironment, readProcess, readProcessTable } from "./process-table.ts";

const program = fileURLToPath(new URL("./fixtures/manager-host.ts", import.meta.url));

interface Host {
  readonly child: ChildProcess;
  /** Every run that it said it has started. */
  readonly runs: Run[];
  readonly done: Promise<void>;
  kill(): Promise<void>;
}

/** A watchd to be killed: a manager in another process. */
function openHost(t: Test, lab: Lab, requests: readonly StartRequest[]): Host {
  const plan = JSON.stringify({ stateDir: lab.stateDir, runtimeDir: lab.runtimeDir, requests });
  const env = { ...process.env, DARUMA_LAB: lab.owner };
  const child = spawn(process.execPath, [program, plan], { env, stdio: ["ignore", "pipe", "inherit"] });
  t.teardown(() => child.kill("SIGKILL"));
  const runs: Run[] = [];
  const done = Promise.withResolvers<void>();
  const ended = once(child, "close");
  createInterface({ input: child.stdout }).on("line", (line) => {
    if (line === "done") done.resolve();
    else runs.push(JSON.parse(line) as Run);
  });
  return {
    child,
    runs,
    done: done.promise,
    async kill() {
      child.kill("SIGKILL");
      await ended;
      // What it had just forked bears its environment until execve(2), and the agent's own from then on.
      await until("nothing is between fork and execve", () => !bearsEnvironmentOf(lab));
    },
  };
}

function bearsEnvironmentOf(lab: Lab): boolean {
  return [...readProcessTable().keys()].some((pid) =>
    readEnvironment(pid)?.includes(`DARUMA_LAB=${lab.owner}`),
  );
}

function requestFor(agent: string, command = ["/bin/sleep", "60"] as readonly string[]): StartRequest {
  return { agent, runId: nextRunId(), manifest: manifestOf(command, { digest: `digest-of-${agent}` }) };
}

const recordOf = (lab: Lab, agent: string) => join(lab.stateDir, "watchd", "runs", `${agent}.json`);

t.test("agents outlive a killed watchd, and the next one adopts them as they are", async (t) => {
  const lab = openLab(t);
  const host = openHost(t, lab, [requestFor("a"), requestFor("b")]);
  await host.done;
  await host.kill();
  const list = await lab.manager().list();
  t.same(
    [...list].sort((a, b) => a.agent.localeCompare(b.agent)),
    host.runs,
  );
});

t.test("a run whose record was never written is adopted by its markers", async (t) => {
  const lab = openLab(t);
  const host = openHost(t, lab, [requestFor("a")]);
  await host.done;
  await host.kill();
  rmSync(recordOf(lab, "a"));
  const [run] = await lab.manager().list();
  const [started] = host.runs;
  t.match(run, { agent: "a", runId: started?.runId, digest: "digest-of-a", pid: started?.pid });
  t.ok(Math.abs((run?.startedAt ?? 0) - (started?.startedAt ?? 0)) < 5000);
});

t.test("the exit of an adopted run is seen by looking, with a cause of unknown", async (t) => {
  const lab = openLab(t);
  const host = openHost(t, lab, [requestFor("a")]);
  await host.done;
  await host.kill();
  const manager = lab.manager();
  const exits = watchExits(manager);
  const [run] = await manager.list();
  process.kill(run?.pid ?? 0, "SIGKILL");
  const exit = await exits.of(run?.runId ?? "");
  // A first process that reaps nobody leaves a zombie behind, which tells.
  if (exit.cause.kind === "unknown") t.same(exit.cause, { kind: "unknown" });
  else t.same(exit.cause, { kind: "signal", signal: "SIGKILL" });
  t.same(await manager.list(), []);
  t.equal(exits.all.length, 1);
});

t.test("an adopted run and its whole family are stopped", async (t) => {
  const lab = openLab(t);
  const command = fakeAgentCommand("--fork", "--fork-group", "--fork-session", "--ignore-term");
  const host = openHost(t, lab, [requestFor("a", command)]);
  await until("the whole family is there", () => lab.marked().length === 5);
  await until("the record is there", () => host.runs.length === 1);
  await host.kill();
  const manager = lab.manager();
  const exits = watchExits(manager);
  const [run] = await manager.list();
  t.same(await manager.stop(run?.runId ?? "", { signal: "SIGTERM", graceMs: 100 }), { forced: true });
  t.same(lab.marked(), []);
  t.equal(exits.all.length, 1);
});

t.test("a run can be stopped before anybody has asked for the list", async (t) => {
  const lab = openLab(t);
  const host = openHost(t, lab, [requestFor("a")]);
  await host.done;
  await host.kill();
  await lab.manager().stop(host.runs[0]?.runId ?? "", { signal: "SIGTERM", graceMs: 30_000 });
  t.same(lab.marked(), []);
});

t.test(
  "what is left of an agent that died unwatched is killed before its next run, with its credentials",
  async (t) => {
    const lab = openLab(t);
    const request = requestFor("a", fakeAgentCommand("--fork", "--fork-session", "--ignore-term"));
    writeFileSync(join(lab.stateDir, "..", "secret"), "s3cret");
    const manifest = { ...request.manifest, credentials: { KEY: join(lab.stateDir, "..", "secret") } };
    const host = openHost(t, lab, [{ ...request, manifest }]);
    await until("the whole family is there", () => lab.marked().length === 3);
    await host.done;
    await host.kill();
    process.kill(host.runs[0]?.pid ?? 0, "SIGKILL");
    // A process that exits loses its markers before it is gone.
    await until("the leader is gone", () => readProcess(host.runs[0]?.pid ?? 0)?.alive !== true);
    const manager = lab.manager();
    t.same(await manager.list(), []);
    const run = await startFake(lab, manager, "a");
    t.same(lab.marked(), [run.pid]);
    t.same(readdirSync(join(lab.runtimeDir, "credentials")), []);
  },
);

t.test("credentials of agents that died unwatched are cleared away, those of the living stay", async (t) => {
  const lab = openLab(t);
  const credentials = { KEY: "/etc/passwd" };
  const requests = ["alive", "dead"].map((agent) => requestFor(agent));
  const host = openHost(
    t,
    lab,
    requests.map((request) => ({ ...request, manifest: { ...request.manifest, credentials } })),
  );
  await host.done;
  await host.kill();
  const dead = host.runs.find(({ agent }) => agent === "dead")?.pid ?? 0;
  process.kill(dead, "SIGKILL");
  await until("one agent is gone", () => readProcess(dead)?.alive !== true);
  await lab.manager().list();
  t.same(readdirSync(join(lab.runtimeDir, "credentials")), ["alive"]);
});

t.test("two live runs of one agent are both listed, so that one can be stopped", async (t) => {
  const lab = openLab(t);
  const host = openHost(t, lab, [requestFor("a"), requestFor("a")]);
  await host.done;
  await host.kill();
  const manager = lab.manager();
  const list = await manager.list();
  t.same(list.map(({ pid }) => pid).sort(), host.runs.map(({ pid }) => pid).sort());
  await manager.stop(list[0]?.runId ?? "", { signal: "SIGTERM", graceMs: 30_000 });
  t.same(
    (await manager.list()).map(({ runId }) => runId),
    [list[1]?.runId],
  );
});

t.test("a stranger that has got the pid of a record is neither adopted nor touched", async (t) => {
  const lab = openLab(t);
  const host = openHost(t, lab, [requestFor("a")]);
  await host.done;
  await host.kill();
  const stranger = spawn("sleep", ["60"], { detached: true, stdio: "ignore" });
  t.teardown(() => stranger.kill("SIGKILL"));
  const path = recordOf(lab, "a");
  process.kill(host.runs[0]?.pid ?? 0, "SIGKILL");
  await until("the agent is gone", () => lab.marked().length === 0);
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), pid: stranger.pid }));
  const manager = lab.manager();
  t.same(await manager.list(), []);
  await manager.stop(host.runs[0]?.runId ?? "", { signal: "SIGTERM", graceMs: 0 });
  await startFake(lab, manager, "a");
  t.equal(readProcess(stranger.pid ?? 0)?.alive, true);
});

t.test("agents of another state directory are not ours", async (t) => {
  const theirs = openLab(t);
  const host = openHost(t, theirs, [requestFor("a")]);
  await host.done;
  t.same(await openLab(t).manager().list(), []);
});

t.test("a watchd that is started by an agent of its own does not kill itself with it", async (t) => {
  const lab = openLab(t);
  const outer = lab.manager();
  const plan = { stateDir: lab.stateDir, runtimeDir: lab.runtimeDir, requests: [] };
  const run = await outer.start({
    agent: "a",
    runId: nextRunId(),
    manifest: manifestOf([process.execPath, program, JSON.stringify(plan)]),
  });
  await until("the inner one is ready", () => lab.logOf("a").includes("done"));
  t.same(
    (await outer.list()).map(({ runId }) => runId),
    [run.runId],
  );
});

t.test("kill -9 at any moment of a series of starts loses no process", async (t) => {
  const arbitrary = fc.integer({ min: 0, max: 60 });
  await fc.assert(
    fc.asyncProperty(arbitrary, async (delay) => {
      const lab = openLab(t);
      const host = openHost(
        t,
        lab,
        ["a", "b", "c", "d", "e", "f"].map((agent) => requestFor(agent)),
      );
      await until("the first start", () => lab.marked().length > 0);
      await new Promise((resolve) => setTimeout(resolve, delay / 10));
      await host.kill();
      const manager = lab.manager();
      const listed = new Set<string>();
      await until("every marked process is listed", async () => {
        const list = await manager.list();
        for (const { runId } of list) listed.add(runId);
        return list.length === lab.marked().length;
      });
      const lost = host.runs.filter(({ runId }) => !listed.has(runId));
      t.same(lost, [], "every acknowledged start is found");
      for (const runId of listed) await manager.stop(runId, { signal: "SIGTERM", graceMs: 30_000 });
      t.same(lab.marked(), []);
    }),
    { numRuns: 10, seed: 7 },
  );
});
