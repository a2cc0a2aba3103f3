import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import {
  actionsOf,
  healthyAgent,
  type Laptop,
  laptopWith,
  quick,
  steady,
  told,
  until,
} from "./supervisor/fixtures/laptop.ts";

const one = { worker: { script: steady, ...quick }, other: { script: steady, ...quick } };
const stopFiles = (laptop: Laptop) => {
  const directory = join(laptop.root, "state", "stopped");
  return existsSync(directory) ? readdirSync(directory) : [];
};
const rests = (laptop: Laptop) =>
  until("it is stopped", async () => (await laptop.agent("worker"))?.phase === "stopped");

t.test("a person stops an agent and starts it again, on record before it happens", async (t) => {
  const laptop = await laptopWith(t);
  await laptop.deploy(one);
  const pid = await healthyAgent(laptop, "worker");
  const other = await healthyAgent(laptop, "other");
  t.match(await laptop.call("POST", "/v1/agents/stop", { agent: "worker" }), {
    schemaVersion: 1,
    agent: "worker",
    stopped: true,
  });
  t.same(stopFiles(laptop), ["worker"]);
  await rests(laptop);
  t.match(await laptop.agent("worker"), { pid: null, stoppedBy: "person" });
  t.same(laptop.agentPids(), [other]);
  t.match(await laptop.call("POST", "/v1/agents/start", { agent: "worker" }), { stopped: false });
  t.same(stopFiles(laptop), []);
  await healthyAgent(laptop, "worker", pid);
  await told(laptop, ({ action }) => action === "agent.released");
  const actions = (await actionsOf(laptop, "worker")).filter((action) =>
    /stop|request|released/.test(action),
  );
  t.same(actions, [
    "agent.stop-request",
    "agent.stopped-by-person",
    "agent.stop",
    "agent.stopped",
    "agent.start-request",
    "agent.released",
  ]);
});

t.test("a person's stop outlives deploys and the death of watchd, until the person starts it", async (t) => {
  const laptop = await laptopWith(t);
  await laptop.deploy(one);
  await healthyAgent(laptop, "worker");
  await laptop.call("POST", "/v1/agents/stop", { agent: "worker" });
  await rests(laptop);
  await laptop.deploy({ ...one, worker: { script: `${steady} // second`, ...quick } });
  const other = await healthyAgent(laptop, "other");
  await laptop.signal("watchd", "SIGKILL");
  await laptop.startWatchd();
  t.equal(await healthyAgent(laptop, "other"), other);
  await laptop.deploy({ other: one.other });
  await until("the worker is gone", async () => (await laptop.agent("worker")) === undefined);
  await laptop.deploy({ ...one, worker: { script: `${steady} // third`, ...quick } });
  await until("the worker is back", async () => (await laptop.agent("worker")) !== undefined);
  t.match(await laptop.agent("worker"), { phase: "stopped", stoppedBy: "person", pid: null });
  t.same(laptop.agentPids(), [other]);
  await laptop.call("POST", "/v1/agents/start", { agent: "worker" });
  await healthyAgent(laptop, "worker");
  t.equal((await actionsOf(laptop, "worker")).filter((action) => action === "agent.start").length, 2);
});

t.test("watchd is killed as the person's word is given: it holds all the same", async (t) => {
  const laptop = await laptopWith(t);
  const stubborn = `process.on("SIGTERM", () => {}); ${steady}`;
  const worker = { script: stubborn, ...quick, stop: { signal: "SIGTERM", graceMs: 200 } } as const;
  await laptop.deploy({ worker });
  await healthyAgent(laptop, "worker");
  await laptop.call("POST", "/v1/agents/stop", { agent: "worker" });
  await laptop.signal("watchd", "SIGKILL");
  await laptop.startWatchd();
  await rests(laptop);
  t.same(laptop.agentPids(), []);
});

t.test("a start brings back what has ended for good", async (t) => {
  const laptop = await laptopWith(t);
  const script = `import { existsSync } from "node:fs"; if (existsSync(process.env.FLAG)) process.exit(0); ${steady}`;
  const flag = join(laptop.root, "flag");
  writeFileSync(flag, "");
  await laptop.deploy({ worker: { script, ...quick, environment: { FLAG: flag } } });
  await until("it has completed", async () => (await laptop.agent("worker"))?.phase === "completed");
  rmSync(flag);
  await laptop.call("POST", "/v1/agents/start", { agent: "worker" });
  await healthyAgent(laptop, "worker");
});

t.test(
  "without the ledger a stop is refused and changes nothing, and a start is recorded late",
  async (t) => {
    const laptop = await laptopWith(t);
    await laptop.deploy(one);
    const pid = await healthyAgent(laptop, "worker");
    await laptop.signal("ledgerd", "SIGKILL");
    const unavailable = { code: "WATCHD_E_LEDGER_UNAVAILABLE" };
    await t.rejects(laptop.call("POST", "/v1/agents/stop", { agent: "worker" }), unavailable);
    t.same(stopFiles(laptop), []);
    await laptop.startLedgerd();
    t.equal(await healthyAgent(laptop, "worker"), pid);
    await laptop.call("POST", "/v1/agents/stop", { agent: "worker" });
    await rests(laptop);
    await laptop.signal("ledgerd", "SIGKILL");
    await laptop.call("POST", "/v1/agents/start", { agent: "worker" });
    t.same(stopFiles(laptop), []);
    await healthyAgent(laptop, "worker", pid);
    await laptop.startLedgerd();
    await told(laptop, ({ action }) => action === "agent.start-request");
    const actions = await actionsOf(laptop, "worker");
    t.ok(actions.indexOf("agent.start-request") < actions.indexOf("agent.released"));
  },
);

t.test("an agent that there is not is no agent to stop or to start", async (t) => {
  const laptop = await laptopWith(t);
  await t.rejects(laptop.call("POST", "/v1/agents/stop", { agent: "worker" }), {
    code: "WATCHD_E_UNKNOWN_AGENT",
  });
  await laptop.deploy(one);
  for (const route of ["/v1/agents/stop", "/v1/agents/start"]) {
    for (const agent of ["nobody", "constructor", "../escape", ""])
      await t.rejects(laptop.call("POST", route, { agent }), { code: "WATCHD_E_UNKNOWN_AGENT" });
    for (const body of [{}, { agent: 7 }, undefined])
      await t.rejects(laptop.call("POST", route, body), { code: "WATCHD_E_BAD_REQUEST" });
  }
  t.same(stopFiles(laptop), []);
  t.notOk((await laptop.story()).some(({ action }) => action.endsWith("-request")));
});
