import { access, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { documents, eventually, runAgentctl } from "../test-support/agentctl.ts";
import {
  agentPid,
  createFleet,
  processesOf,
  started,
  type TestDev,
  type TestFleet,
} from "../test-support/fleet.ts";
import { serveLedger } from "../test-support/ledger.ts";

t.test("what cannot be deployed is told, and the old generation keeps running", async (t) => {
  const { fleet, dev, pid } = await started(t);
  const refusals: [string, () => Promise<void>][] = [
    ["COMPILE_E_CONFIG_SYNTAX", () => writeFile(fleet.config, "export default {")],
    ["CONFIG_E_INVALID", () => fleet.writeConfig({ agent: "heartbeats: 3," })],
    ["COMPILE_E_CONFIG_THREW", () => writeFile(fleet.config, "throw new Error('no')")],
    [
      "GENERATION_E_PROGRAM_NOT_FOUND",
      () => fleet.writeConfig({ agent: 'command: [nixpkg("x", "bin/no-such")],' }),
    ],
    ["GENERATION_E_SOURCE", () => fleet.writeConfig({ agent: 'command: [source("./nowhere", "x")],' })],
    ["DEV_E_HOST", async () => renameHost(fleet)],
  ];
  for (const [code, write] of refusals) {
    await write();
    await eventually(`${code} is told`, () => (refusalsOf(dev).includes(code) ? true : null));
  }
  await fleet.writeConfig();
  await dev.saw("deployed", ({ unchanged }) => unchanged);
  t.equal(await agentPid(fleet), pid);
  t.match(dev.stderr(), "generation 1 keeps running");
  dev.child.kill("SIGTERM");
  t.equal((await dev.ended).code, 143);
});

async function renameHost(fleet: TestFleet): Promise<void> {
  await fleet.writeConfig();
  const good = await readFile(fleet.config, "utf8");
  await writeFile(`${fleet.config}.tmp`, good.replace("test-01", "test-02"));
  await rename(`${fleet.config}.tmp`, fleet.config);
}

function refusalsOf(dev: TestDev): string[] {
  return dev.events().flatMap(({ event, error }) => (event === "refused" ? [error.code] : []));
}

t.test("what makes a start impossible is one error, and leaves nothing running", async (t) => {
  const fleet = await createFleet(t);
  const fails = async (code: string, exit: number, ...argv: string[]) => {
    const ended = await fleet.run("dev", "--json", ...argv);
    t.equal(ended.code, exit, `${code}: ${ended.stderr}`);
    t.match(JSON.parse(ended.stdout.trimEnd().split("\n").at(-1) ?? ""), { error: { code } });
    t.same(await processesOf(fleet.directory), []);
  };
  await fails("COMPILE_E_CONFIG_MISSING", 1, "--config", "nowhere.ts");
  await t.rejects(access(join(fleet.directory, ".daruma")), "nothing was made for a file that is not there");
  await fails("DEV_E_HOST", 2, "--host", "other");
  await fleet.writeConfig({ hosts: '"test-02": { system: "x86_64-linux", agents: {} },' });
  await fails("DEV_E_HOST", 2);
  await fleet.writeConfig({ agent: 'command: [source("./agent", "missing")],' });
  await fails("GENERATION_E_SOURCE", 1);
  await writeFile(join(fleet.directory, "file"), "");
  await fails("DEV_E_STATE_DIRECTORY", 1, "--state", "file");
});

t.test("a state directory belongs to the host that it was first used for", async (t) => {
  const { fleet, dev } = await started(t);
  dev.child.kill("SIGINT");
  await dev.ended;
  const good = await readFile(fleet.config, "utf8");
  await writeFile(fleet.config, good.replace("test-01", "test-02"));
  t.match(await fleet.run("dev"), { code: 1, stderr: /LEDGER_E_OTHER_HOST/ });
  t.same(await processesOf(fleet.directory), []);
});

t.test("a ledger that is in use or cannot be written is told with its own code", async (t) => {
  const fleet = await createFleet(t);
  const ledger = await serveLedger(t, fleet.directory);
  const busy = await fleet.run("dev", "--json");
  t.equal(busy.code, 1);
  t.match(documents(busy.stdout).at(-1), { error: { code: "LEDGER_E_LOCKED", message: /^ledgerd: / } });
  await ledger.stop();
  await rm(ledger.store, { recursive: true });
  await writeFile(ledger.store, "not a directory");
  const readOnly = await fleet.run("dev", "--json");
  t.equal(readOnly.code, 1);
  t.match(documents(readOnly.stdout).at(-1), { error: { code: "LEDGER_E_READ_ONLY" } });
  t.same(await processesOf(fleet.directory), []);
});

t.test("sockets that cannot be made are told before anything starts", async (t) => {
  const fleet = await createFleet(t);
  const environment = { ...fleet.environment, XDG_RUNTIME_DIR: join(fleet.directory, "x".repeat(100)) };
  const ended = await runAgentctl(t, ["dev", "--json"], { cwd: fleet.directory, environment });
  t.equal(ended.code, 1);
  t.match(documents(ended.stdout), [{ error: { code: "SOCKET_E_PATH_TOO_LONG" } }]);
});

t.test("a port that is in use is told, and the agent starts once it is free", async (t) => {
  const fleet = await createFleet(t);
  const stranger = await fleet.occupyPort();
  const dev = fleet.dev();
  const failed = await dev.saw("agent.start-failed");
  t.equal(failed.entry.details.code, "AGENT_E_PORT_IN_USE");
  await stranger.close();
  await dev.saw("recovery.verified");
  t.equal(await fleet.answer(), "one");
  dev.child.kill("SIGINT");
  t.equal((await dev.ended).code, 130);
});
