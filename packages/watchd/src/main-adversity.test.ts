import { closeSync, openSync } from "node:fs";
import t from "tap";
import { freePort } from "./processes/fixtures/lab.ts";
import {
  healthyAgent,
  Laptop,
  laptopWith,
  quick,
  steady,
  told,
  until,
} from "./supervisor/fixtures/laptop.ts";

async function isHealthy(laptop: Laptop, name: string): Promise<boolean> {
  return (await laptop.agent(name).catch(() => undefined))?.phase === "healthy";
}

/** Deterministic: the same moments in every run, as far as the machine allows. */
const momentsMs = [30, 110, 5, 70, 190, 15, 50, 140];

t.test(
  "watchd is killed again and again during a bad deploy: it is rolled back once all the same",
  async (t) => {
    const laptop = await laptopWith(t);
    await laptop.deploy({ worker: { script: steady, ...quick } });
    await until("it is known-good", async () => (await laptop.status()).generation?.knownGood === true);
    await laptop.deploy({ worker: { script: "setTimeout(() => process.exit(1), 40);" } });
    for (const moment of momentsMs) {
      await new Promise((resolve) => setTimeout(resolve, moment));
      await laptop.signal("watchd", "SIGKILL");
      t.ok(laptop.agentPids().length <= 1, "never two copies of an agent");
      await laptop.startWatchd();
    }
    await until("generation 1 is back", async () => (await laptop.status()).generation?.number === 1);
    await until("the worker is healthy", () => isHealthy(laptop, "worker"));
    await until("the ledger has it all", async () => (await laptop.status()).ledger.waiting === 0);
    const story = await laptop.story();
    // A watchd that comes up in mid-rollback asks for the same one once more, under its id.
    const asked = story.filter((entry) => entry.action === "generation.rollback");
    t.equal(new Set(asked.map(({ details }) => details.rollback)).size, 1);
    t.equal(story.filter((entry) => entry.action === "generation.rolled-back").length, 1);
    t.equal(laptop.agentPids().length, 1);
  },
);

t.test("a ledgerd that hangs is noticed, and nothing is known-good by it", async (t) => {
  const laptop = await laptopWith(t);
  await laptop.deploy({ worker: { script: steady, ...quick } });
  await until("it is known-good", async () => (await laptop.status()).generation?.knownGood === true);
  laptop.freeze("ledgerd", "SIGSTOP");
  await laptop.deploy({ worker: { script: `${steady} // second`, ...quick } });
  await until("the worker is healthy", () => isHealthy(laptop, "worker"));
  await until("it is noticed", async () => !(await laptop.status()).ledger.connected);
  t.match((await laptop.status()).generation, { number: 2, knownGood: false });
  laptop.freeze("ledgerd", "SIGCONT");
  await until("it is known-good now", async () => (await laptop.status()).generation?.knownGood === true);
  await told(laptop, ({ action, details }) => action === "generation.known-good" && details.number === 2);
});

t.test("a log that cannot be written ends no daemon, and no agent is left down", async (t) => {
  const laptop = new Laptop(t);
  const full = openSync("/dev/full", "w");
  t.teardown(() => closeSync(full));
  laptop.log = full;
  await laptop.startLedgerd();
  await laptop.startWatchd();
  const { pid } = await laptop.status();
  await laptop.deploy({ worker: { script: steady, ...quick } });
  const worker = await healthyAgent(laptop, "worker");
  await laptop.signal("ledgerd", "SIGKILL");
  process.kill(worker, "SIGKILL");
  await healthyAgent(laptop, "worker", worker);
  await until("watchd has said that", async () => !(await laptop.status()).ledger.connected);
  await laptop.startLedgerd();
  await told(laptop, ({ action }) => action === "recovery.verified");
  t.equal((await laptop.status()).pid, pid);
});

t.test("an agent that hangs fails its health check, is stopped, and comes back", async (t) => {
  const laptop = await laptopWith(t);
  const port = await freePort();
  const script = `
    import { createServer } from "node:http";
    const server = createServer((request, response) => {
      response.end();
      if (request.url === "/hang") for (;;);
    });
    server.listen(${port}, "127.0.0.1");`;
  const health = {
    url: `http://127.0.0.1:${port}/health`,
    everyMs: 50,
    withinMs: 200,
    status: 200,
    body: null,
    failures: 2,
  };
  await laptop.deploy({ worker: { script, health, stop: { signal: "SIGTERM", graceMs: 100 } } });
  await until("it is healthy", () => isHealthy(laptop, "worker"));
  await fetch(`http://127.0.0.1:${port}/hang`).catch(() => undefined);
  const unhealthy = await told(laptop, (entry) => entry.action === "agent.unhealthy");
  t.match(unhealthy.details, { cause: "unhealthy", becameHealthy: true });
  const verified = await told(laptop, (entry) => entry.action === "recovery.verified");
  t.equal(verified.incident, unhealthy.incident);
});

t.test("an agent that outgrows its memory limit is restarted, and the ledger has both numbers", async (t) => {
  const laptop = await laptopWith(t);
  const limitBytes = 150 * 1024 * 1024;
  const flag = `${laptop.root}/grown`;
  const script = `
    import { existsSync, writeFileSync } from "node:fs";
    const first = !existsSync(${JSON.stringify(flag)});
    writeFileSync(${JSON.stringify(flag)}, "");
    const ballast = first ? Buffer.alloc(300 * 1024 * 1024, 1) : null;
    setInterval(() => ballast?.at(0), 1000);`;
  await laptop.deploy({ worker: { script, ...quick, limits: { memoryBytes: limitBytes } } });
  const over = await told(laptop, (entry) => entry.action === "agent.over-memory");
  t.equal(over.details.limitBytes, limitBytes);
  t.ok(Number(over.details.bytes) > limitBytes);
  await told(laptop, (entry) => entry.action === "recovery.verified");
});

t.test(
  "a port that a stranger holds is no proof of health: the start fails and says which port",
  async (t) => {
    const laptop = await laptopWith(t);
    const port = await freePort();
    const { createServer } = await import("node:http");
    const stranger = createServer((_, response) => response.end("ok"));
    await new Promise<void>((resolve) => stranger.listen(port, "127.0.0.1", resolve));
    t.teardown(() => stranger.close());
    const health = {
      url: `http://127.0.0.1:${port}/`,
      everyMs: 50,
      withinMs: 200,
      status: 200,
      body: null,
      failures: 2,
    };
    await laptop.deploy({ worker: { script: steady, health } });
    const failed = await told(laptop, (entry) => entry.action === "agent.start-failed");
    t.equal(failed.details.code, "AGENT_E_PORT_IN_USE");
    t.match(failed.details.message, String(port));
  },
);
