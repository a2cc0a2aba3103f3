import t from "tap";
import { documents } from "../test-support/agentctl.ts";
import { processesOf, started } from "../test-support/fleet.ts";

t.test(
  "a fleet is deployed, healed, deployed again and rolled back, and leaves nothing running",
  async (t) => {
    const { fleet, dev, pid } = await started(t);
    t.match(dev.stderr(), 'nixpkg("nodejs_24", "bin/node") is ');
    await dev.saw("generation.known-good");
    const status = await fleet.runHere("status");
    t.match(status, { code: 0, stdout: /generation {2}1, known-good/ });

    process.kill(pid, "SIGKILL");
    const healed = await dev.saw("recovery.verified");
    t.match(healed.entry.details, { cause: "killed-by-operator", restarts: 1, rolledBack: false });

    await fleet.writeAgent("two");
    await dev.saw("deployed", ({ number }) => number === 2);
    await dev.saw("generation.known-good", ({ entry }) => entry.details.number === 2);
    t.equal(await fleet.answer(), "two");

    const refused = await fleet.runHere("rollback", "--to", "1", "--json");
    t.match(refused, { code: 2, stderr: /from generation 2 to generation 1/ }, "nobody can be asked here");
    t.match(JSON.parse(refused.stdout), { error: { code: "CLI_E_CONFIRM" } });
    t.match(await fleet.runHere("rollback", "--to", "9", "--yes"), {
      code: 1,
      stderr: /GENERATION_E_NOT_FOUND/,
    });
    const back = await fleet.runHere("rollback", "--to", "1", "--yes", "--json");
    t.equal(back.code, 0, back.stderr);
    t.match(JSON.parse(back.stdout), { schemaVersion: 1, targetNumber: 1, proven: true });
    t.equal(await fleet.answer(), "one");
    t.match(await fleet.generations(), [
      { number: 1, current: true },
      { number: 2, current: false },
    ]);

    dev.child.kill("SIGINT");
    const ended = await dev.ended;
    t.equal(ended.code, 130);
    t.match(dev.events().at(-1), { error: { code: "CLI_E_INTERRUPTED" } });
    t.same(await processesOf(fleet.directory), []);
    t.match(await fleet.runHere("status"), { code: 5 });
    t.match(await fleet.runHere("ledger", "verify", ".daruma/ledger"), { code: 0 });
  },
);

t.test("a broken deploy is rolled back and stays refused until a person allows it", async (t) => {
  const { fleet, dev } = await started(t);
  await dev.saw("generation.known-good");
  await fleet.writeAgent(null);
  await dev.saw("generation.rolled-back");
  await dev.saw("recovery.verified", ({ entry }) => entry.details.rolledBack);
  t.equal(await fleet.answer(), "one");

  const explained = documents((await fleet.runHere("explain-rollback", "--json")).stdout);
  t.match(explained, [{ explanations: [{ agent: "web", rollBack: true, toNumber: 1, outcome: String }] }]);

  await fleet.writeAgent(null, "");
  const refused = await dev.saw("refused");
  t.match(refused.error, { code: "DEV_E_QUARANTINED", hint: /agentctl generations allow 2/ });
  t.match((await fleet.runHere("status")).stdout, "quarantine  generation 2 (web)");
  t.match(await fleet.runHere("generations", "allow", "2"), {
    code: 0,
    stdout: /generation 2 may be deployed again/,
  });
  await fleet.writeAgent(null, "");
  await dev.saw("deployed", ({ number }) => number === 3);
  dev.child.kill("SIGINT");
  t.equal((await dev.ended).code, 130);
});
