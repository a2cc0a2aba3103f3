import { readFile } from "node:fs/promises";
import t from "tap";
import { eventually, isAlive } from "../test-support/agentctl.ts";
import { agentPid, createFleet, processesOf, started, type TestFleet } from "../test-support/fleet.ts";

t.test("daemons that die come back, and the agent runs on", async (t) => {
  const { fleet, dev, pid } = await started(t);
  const watchd = (await fleet.status()).pid;
  process.kill(watchd, "SIGKILL");
  await dev.saw("daemon-up", ({ daemon }) => daemon === "watchd");
  await eventually("watchd has the agent again", async () => {
    const [agent] = (await fleet.status()).agents;
    return agent?.phase === "healthy" && agent.pid === pid ? true : null;
  });

  await killLedgerd(fleet);
  await dev.saw("daemon-up", ({ daemon }) => daemon === "ledgerd");
  process.kill(pid, "SIGKILL");
  await dev.saw("recovery.verified");
  const numbers = dev.events().flatMap(({ event, entry }) => (event === "entry" ? [entry.seq] : []));
  t.same(
    numbers,
    numbers.map((_, index) => index + 1),
    "every entry is told once, in order",
  );
  t.same(
    dev.events().flatMap(({ event, daemon }) => (event === "daemon-down" ? [daemon] : [])),
    ["watchd", "ledgerd"],
  );
  dev.child.kill("SIGINT");
  await dev.ended;
  t.same(await processesOf(fleet.directory), []);
});

async function killLedgerd(fleet: TestFleet): Promise<void> {
  for (const pid of await processesOf(fleet.directory)) {
    const line = await readFile(`/proc/${pid}/cmdline`, "utf8");
    if (line.includes("ledgerd.mjs")) process.kill(pid, "SIGKILL");
  }
}

t.test("one dev works on a state directory: a second is refused, and told who is first", async (t) => {
  const { fleet, dev } = await started(t);
  const second = await fleet.run("dev");
  t.equal(second.code, 1);
  t.match(second.stderr, `DEV_E_ALREADY_RUNNING: process ${dev.child.pid}`);
  t.equal((await fleet.status()).agents[0]?.phase, "healthy");
});

t.test("after a kill -9 of dev the daemons end, the agent runs on, and the next dev adopts it", async (t) => {
  const { fleet, dev, pid } = await started(t);
  dev.child.kill("SIGKILL");
  await dev.ended;
  const next = fleet.dev();
  await next.saw("deployed", ({ unchanged }) => unchanged);
  t.equal(await agentPid(fleet), pid);
  t.equal(await fleet.answer(), "one");
  next.child.kill("SIGINT");
  t.equal((await next.ended).code, 130);
  t.equal(isAlive(pid), false);
  t.same(await processesOf(fleet.directory), []);
});

t.test("a second Ctrl-C does not wait for an agent that takes its time", async (t) => {
  const fleet = await createFleet(t);
  await fleet.writeAgent("slow", 'process.on("SIGTERM", () => undefined);');
  await fleet.writeConfig({ agent: 'stop: { grace: "10m" },' });
  const dev = fleet.dev();
  await dev.saw("agent.healthy");
  const pid = await agentPid(fleet);
  dev.child.kill("SIGINT");
  await dev.saw("agent.stop");
  t.equal(isAlive(pid), true);
  await eventually("the second Ctrl-C is another one", async () => {
    dev.child.kill("SIGINT");
    return dev.events().some(({ event }) => event === "hurrying") ? true : null;
  });
  t.equal((await dev.ended).code, 130);
  t.equal(isAlive(pid), false);
  t.same(await processesOf(fleet.directory), []);
});

t.test("a signal at any moment of the start ends in order", async (t) => {
  const fleet = await createFleet(t);
  for (const moment of ["started", "watchd.start", "generation.deploy", "agent.start"]) {
    await fleet.writeAgent(moment);
    const dev = fleet.dev();
    await dev.saw(moment);
    dev.child.kill("SIGTERM");
    t.equal((await dev.ended).code, 143, moment);
    t.match(dev.events().at(-1), { error: { code: "CLI_E_TERMINATED" } }, moment);
    t.same(await processesOf(fleet.directory), [], moment);
  }
});
