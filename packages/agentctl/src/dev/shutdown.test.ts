import { spawn } from "node:child_process";
import { once } from "node:events";
import { baseErrors } from "@daruma/base";
import t from "tap";
import { Output } from "../cli/output.ts";
import type { WatchdClient } from "../instance/watchd-client.ts";
import { DevReport } from "./report.ts";
import { drain } from "./shutdown.ts";

const report = new DevReport(
  new Output({
    stdout: process.stderr,
    stderr: process.stderr,
    json: false,
    quiet: true,
    color: { stdout: false, stderr: false },
  }),
  "/",
);
const never = new AbortController().signal;

function fake(parts: Partial<WatchdClient>): WatchdClient {
  const unused = () => Promise.reject(new Error("not expected"));
  return {
    status: unused,
    generations: unused,
    judgements: unused,
    drift: unused,
    fixDrift: unused,
    rollback: unused,
    allow: unused,
    stopAgent: unused,
    startAgent: unused,
    routines: unused,
    routine: unused,
    runRoutine: unused,
    stopRoutine: unused,
    pauseRoutine: unused,
    resumeRoutine: unused,
    alerts: unused,
    testAlerts: unused,
    killRuns: unused,
    reload: unused,
    drain: unused,
    ...parts,
  };
}

t.test("a watchd that dies while draining is asked again when it is back", async (t) => {
  let asked = 0;
  const watchd = fake({
    drain: async () => {
      asked += 1;
      if (asked < 3) throw baseErrors.make("SOCKET_E_UNREACHABLE", "restarting");
    },
  });
  await drain({ watchd, hurry: never, report });
  t.equal(asked, 3);
});

t.test("an error that does not pass is told at once", async (t) => {
  const watchd = fake({ drain: () => Promise.reject(new Error("EACCES")) });
  await t.rejects(drain({ watchd, hurry: never, report }), { code: "DEV_E_STOP", message: /EACCES/ });
});

t.test("in a hurry agents that do not want to end are killed", async (t) => {
  const child = spawn("sleep", ["600"], { detached: true, stdio: "ignore" });
  const gone = once(child, "exit");
  const controller = new AbortController();
  const agent = { name: "a", pid: child.pid ?? null };
  const watchd = fake({
    // As the real one: it answers when the agent is gone.
    drain: async () => {
      controller.abort();
      await gone;
    },
    status: async () => ({ agents: [agent, { name: "b", pid: null }] }) as never,
  });
  await drain({ watchd, hurry: controller.signal, report });
  t.same(await gone, [null, "SIGKILL"]);
});

t.test("in a hurry a process that is gone already is no error", async (t) => {
  const child = spawn("true", { detached: true, stdio: "ignore" });
  await once(child, "exit");
  const watchd = fake({
    drain: () => new Promise((resolve) => setImmediate(resolve)),
    status: async () => ({ agents: [{ name: "a", pid: child.pid ?? null }] }) as never,
  });
  await t.resolves(drain({ watchd, hurry: AbortSignal.abort(), report }));
});
