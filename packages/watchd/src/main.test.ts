import t from "tap";
import {
  actionsOf,
  healthyAgent,
  laptopWith,
  quick,
  steady,
  told,
  until,
} from "./supervisor/fixtures/laptop.ts";

const broken = "process.exit(1);";

t.test(
  "an agent that is killed is restarted and proven, and the ledger tells it as one incident",
  async (t) => {
    const laptop = await laptopWith(t);
    await laptop.deploy({ worker: { script: steady, ...quick } });
    const first = await healthyAgent(laptop, "worker");
    const before = await laptop.produces("worker", "first");
    process.kill(first, "SIGSEGV");
    await healthyAgent(laptop, "worker", first);
    const after = await laptop.produces("worker", "second");
    for (const [entry, id] of [
      [before, "first"],
      [after, "second"],
    ] as const) {
      t.match(entry, { actor: "agent:worker", subject: `file:${id}`, details: { generation: 1 } });
    }
    t.not(after.run, before.run, "what it says is said in its own run");
    const verified = await told(laptop, (entry) => entry.action === "recovery.verified");
    const incident = (await laptop.story()).filter((entry) => entry.incident === verified.incident);
    t.same(
      incident.map((entry) => entry.action),
      ["agent.exit", "agent.restart", "agent.start", "recovery.verified"],
    );
    t.match(incident[0]?.details, { cause: "crash", exit: { kind: "signal", signal: "SIGSEGV" } });
    t.equal(verified.actor, "watchd");
  },
);

t.test("watchd may be killed: the agent runs on, and the next watchd adopts and watches it", async (t) => {
  const laptop = await laptopWith(t);
  await laptop.deploy({ worker: { script: steady, ...quick } });
  const pid = await healthyAgent(laptop, "worker");
  const before = await laptop.produces("worker", "first");
  await laptop.signal("watchd", "SIGKILL");
  t.same(laptop.agentPids(), [pid]);
  await laptop.startWatchd();
  t.equal(await healthyAgent(laptop, "worker"), pid);
  t.equal((await laptop.produces("worker", "second")).run, before.run, "through a socket that was made anew");
  t.ok((await actionsOf(laptop, "worker")).every((action) => action !== "agent.exit"));
  process.kill(pid, "SIGKILL");
  await healthyAgent(laptop, "worker", pid);
  t.equal(laptop.agentPids().length, 1);
});

t.test("SIGTERM ends watchd with 0 and leaves the agents alone", async (t) => {
  const laptop = await laptopWith(t);
  await laptop.deploy({ worker: { script: steady, ...quick } });
  const pid = await healthyAgent(laptop, "worker");
  t.equal(await laptop.signal("watchd", "SIGTERM"), 0);
  t.same(laptop.agentPids(), [pid]);
});

t.test(
  "a deploy that breaks an agent is rolled back, and quarantined until a person allows it",
  async (t) => {
    const laptop = await laptopWith(t);
    await laptop.deploy({ worker: { script: steady, ...quick }, other: { script: steady, ...quick } });
    const other = await healthyAgent(laptop, "other");
    await until(
      "generation 1 is known-good",
      async () => (await laptop.status()).generation?.knownGood === true,
    );
    const bad = await laptop.deploy({ worker: { script: broken }, other: { script: steady, ...quick } });
    await until("it is rolled back", async () => (await laptop.status()).generation?.number === 1);
    await healthyAgent(laptop, "worker");
    t.equal(await healthyAgent(laptop, "other"), other, "an agent that no deploy changed is not touched");
    const verified = await told(laptop, (entry) => entry.action === "recovery.verified");
    t.match(verified.details, { rolledBack: true });
    t.match((await laptop.status()).quarantine, [{ number: bad }]);
    await t.rejects(laptop.call("POST", "/v1/rollback", { to: bad }), { code: "GENERATION_E_QUARANTINED" });
    await laptop.call("POST", "/v1/allow", { number: bad });
    t.same((await laptop.status()).quarantine, []);
  },
);

t.test("an agent that no deploy changed is held with an alert, never rolled back", async (t) => {
  const laptop = await laptopWith(t);
  const flaky =
    'import { existsSync } from "node:fs"; if (existsSync(process.env.FLAG)) process.exit(1); setInterval(() => {}, 1000);';
  const worker = { script: flaky, ...quick, environment: { FLAG: `${laptop.root}/flag` } };
  await laptop.deploy({ worker, other: { script: steady, ...quick } });
  const pid = await healthyAgent(laptop, "worker");
  await until(
    "generation 1 is known-good",
    async () => (await laptop.status()).generation?.knownGood === true,
  );
  await laptop.deploy({ worker, other: { script: `${steady} // changed`, ...quick } });
  await laptop.writeFlag("flag");
  process.kill(pid, "SIGKILL");
  const hold = await told(laptop, (entry) => entry.action === "agent.hold");
  t.match(hold.details, { noRollback: [/^deploy-changed-agent/] });
  t.ok(await told(laptop, (entry) => entry.action === "alert.raise"));
  t.equal((await laptop.status()).generation?.number, 2);
});

t.test("exit code 75 backs off and alerts, and never rolls back", async (t) => {
  const laptop = await laptopWith(t);
  await laptop.deploy({ worker: { script: steady, ...quick } });
  await until(
    "generation 1 is known-good",
    async () => (await laptop.status()).generation?.knownGood === true,
  );
  await laptop.deploy({ worker: { script: "process.exit(75);" } });
  await until("it was tried often", async () => {
    const restarts = (await actionsOf(laptop, "worker")).filter((action) => action === "agent.restart");
    return restarts.length > 5;
  });
  t.ok(await told(laptop, (entry) => entry.action === "alert.raise"));
  t.equal((await laptop.status()).generation?.number, 2);
});

t.test("one exit with 78 in a deploy is enough: it is rolled back at once", async (t) => {
  const laptop = await laptopWith(t);
  const good = { worker: { script: steady, ...quick } };
  await laptop.deploy(good);
  await until(
    "generation 1 is known-good",
    async () => (await laptop.status()).generation?.knownGood === true,
  );
  await laptop.deploy({ worker: { script: "process.exit(78);" } });
  await told(laptop, (entry) => entry.action === "generation.rolled-back");
  await healthyAgent(laptop, "worker");
  t.equal((await actionsOf(laptop, "worker")).filter((action) => action === "agent.exit").length, 1);
});

t.test(
  "while ledgerd is away agents are healed all the same, and the entries arrive once, in order",
  async (t) => {
    const laptop = await laptopWith(t);
    await laptop.deploy({ worker: { script: steady, ...quick } });
    const first = await healthyAgent(laptop, "worker");
    await laptop.signal("ledgerd", "SIGKILL");
    process.kill(first, "SIGKILL");
    await healthyAgent(laptop, "worker", first);
    await t.rejects(laptop.call("POST", "/v1/rollback", { to: 1 }), { code: "WATCHD_E_ROLLBACK_REFUSED" });
    await laptop.signal("watchd", "SIGKILL");
    await laptop.startLedgerd();
    await laptop.startWatchd();
    await told(laptop, (entry) => entry.action === "recovery.verified");
    const actions = (await actionsOf(laptop, "worker")).filter((action) => action !== "agent.adopt");
    t.same(actions.slice(0, 6), [
      "agent.start",
      "agent.healthy",
      "agent.exit",
      "agent.restart",
      "agent.start",
      "recovery.verified",
    ]);
  },
);

t.test("a person's rollback is refused while the ledger cannot take its intent", async (t) => {
  const laptop = await laptopWith(t);
  await laptop.deploy({ worker: { script: steady, ...quick } });
  await healthyAgent(laptop, "worker");
  await laptop.deploy({ worker: { script: `${steady} // second`, ...quick } });
  await healthyAgent(laptop, "worker");
  await laptop.signal("ledgerd", "SIGKILL");
  await t.rejects(laptop.call("POST", "/v1/rollback", { to: 1 }), { code: "WATCHD_E_LEDGER_UNAVAILABLE" });
  t.equal((await laptop.status()).generation?.number, 2);
  await laptop.startLedgerd();
  await laptop.call("POST", "/v1/rollback", { to: 1 });
  await until("generation 1 is current", async () => (await laptop.status()).generation?.number === 1);
  await t.rejects(laptop.call("POST", "/v1/rollback", { to: 7 }), { code: "GENERATION_E_NOT_FOUND" });
  await t.rejects(laptop.call("POST", "/v1/rollback", { to: -1 }), { code: "WATCHD_E_BAD_REQUEST" });
});

t.test("a second watchd on the same state is refused, and the first goes on", async (t) => {
  const laptop = await laptopWith(t);
  await laptop.deploy({ worker: { script: steady, ...quick } });
  const pid = await healthyAgent(laptop, "worker");
  await t.rejects(laptop.startWatchd());
  t.equal(await healthyAgent(laptop, "worker"), pid);
});

t.test("drain stops every agent and says when nothing runs any more", async (t) => {
  const laptop = await laptopWith(t);
  await laptop.deploy({ worker: { script: steady, ...quick }, other: { script: steady, ...quick } });
  await healthyAgent(laptop, "worker");
  await laptop.call("POST", "/v1/drain");
  t.same(laptop.agentPids(), []);
});
