/** From a fleet file to an agent that runs, on the way that a person takes. */
import { deploy, type Generation } from "./deploy.ts";
import { scenario } from "./scenario.ts";

function fleetOf(code: string, configuration?: string): Generation {
  return {
    fleet: {
      "fleet.config.ts": `
        import { defineFleet, nixpkg, source } from "@daruma/config";
        const command = [nixpkg("nodejs_24", "bin/node"), source("./agent", "main.js")];
        const agents = { worker: { command, environment: { GREETING: "it's $HOME 50 %\\n" } } };
        export default defineFleet({ hosts: { "test-host": { system: "x86_64-linux", agents } } });`,
      "agent/main.js": code,
    },
    ...(configuration === undefined ? {} : { configuration }),
  };
}

const report = `
  require("node:fs").writeFileSync(process.env.DARUMA_STATE_DIR + "/report", JSON.stringify([process.getuid(), process.env.GREETING]));
  setInterval(() => {}, 1 << 30);`;

scenario(
  "A fleet file becomes a generation whose agent runs its own code as its own user",
  async (host, t) => {
    const { path } = await deploy(host, fleetOf(report));
    t.equal((await host.succeed("readlink -f /run/current-system")).trim(), path);
    const written = "/var/lib/daruma/agents/worker/state/report";
    await host.waitUntilSucceeds(["test", "-s", written]);
    t.same(JSON.parse(await host.readFile(written)), [
      Number(await host.succeed("id -u da-worker")),
      "it's $HOME 50 %\n",
    ]);
    t.equal(JSON.parse(await host.readFile("/etc/daruma/host.json")).host, "test-host");
    t.match(await host.succeed("agentctl --version"), /\d/, "the programs are on the PATH");
    t.equal(await host.succeed("systemctl is-active daruma-ledgerd.service"), "active\n");
  },
);

scenario(
  "An agent's code is part of the generation: what did not change keeps its digest and its run",
  async (host, t) => {
    const agent = async () => {
      const { digest } = JSON.parse(await host.readFile("/etc/daruma/host.json")).agents.worker;
      return {
        digest,
        run: await host.succeed("systemctl show --value -p InvocationID daruma-agent-worker.service"),
      };
    };
    const hostDigest = async () => JSON.parse(await host.readFile("/etc/daruma/host.json")).hostDigest;
    const unrelated = '{ environment.etc.other.text = "1"; }';
    await deploy(host, fleetOf(report));
    const before = await agent();
    const digestBefore = await hostDigest();
    await deploy(host, fleetOf(report, unrelated));
    t.same(await agent(), before);
    t.not(await hostDigest(), digestBefore, "the rest of the host did change");
    await deploy(host, fleetOf(`${report}\n// changed`, unrelated));
    const after = await agent();
    t.not(after.digest, before.digest);
    t.not(after.run, before.run);
  },
);

scenario("A release whose program is broken can be deployed", async (host, t) => {
  const broken = '{ pkgs, ... }: { services.daruma.package = pkgs.withPrograms { ledgerd = "exit 9"; }; }';
  const { path } = await deploy(host, fleetOf(report, broken));
  t.equal((await host.succeed("readlink -f /run/current-system")).trim(), path);
  // It is started again and again: between two tries its status is the last one's.
  await host.waitUntilSucceeds(
    "systemctl show -p ExecMainStatus daruma-ledgerd.service | grep -qx ExecMainStatus=9",
  );
});

scenario("An option that the test host does not know is an error", async (host, t) => {
  await t.rejects(
    deploy(host, { configuration: "{ services.nginx.enable = true; }" }),
    /no option services\.nginx/,
  );
  await t.rejects(
    deploy(host, fleetOf(report, "{ services.daruma.enable = false; }")),
    /daruma\.enable is set twice/,
  );
});
