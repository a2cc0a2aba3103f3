/** What somebody has stopped, and how long it stays so. */
import { agent, entries, entry, healthy, knownGood, lastEntry, status, until } from "./daruma.ts";
import { deploy } from "./deploy.ts";
import { fleet, serves } from "./fixtures/fleets.ts";
import { scenario } from "./scenario.ts";

const isRunning = "systemctl is-active daruma-agent-web.service";

scenario(
  "What a person has stopped stays stopped: over a switch that changes it, and over a reboot",
  async (host, t) => {
    await deploy(host, fleet({ agents: { web: {}, other: {} } }));
    await healthy(host, "web");
    const answer = JSON.parse(await host.succeed("agentctl stop web --json"));
    t.match(answer, { agent: "web", phase: "stopped" });
    t.equal((await host.exec(isRunning)).exitCode, 3);
    t.same(
      (await entries(host))
        .filter(({ subject }) => subject === "web")
        .slice(-4)
        .map(({ action }) => action),
      ["agent.stop-request", "agent.stopped-by-person", "agent.stop", "agent.stopped"],
    );
    const { exitCode, path } = await deploy(
      host,
      fleet({ agents: { web: { code: serves("changed") }, other: {} } }),
    );
    t.equal(exitCode, 0);
    await until("the new generation is seen", async () =>
      (await status(host))?.generation?.path === path ? true : undefined,
    );
    await healthy(host, "other");
    t.equal((await host.exec(isRunning)).exitCode, 3);
    await host.reboot();
    await healthy(host, "other");
    t.match(await agent(host, "web"), { phase: "stopped", stoppedBy: "person" });
    t.equal((await host.exec(isRunning)).exitCode, 3);
    await host.succeed("agentctl start web");
    t.equal(await host.succeed("curl --silent http://127.0.0.1:8080/"), "changed");
    t.match(await agent(host, "web"), { phase: "healthy", stoppedBy: null });
  },
);

scenario(
  "An agent stopped by hand with systemctl is no failure, and runs again when it is started by hand",
  async (host, t) => {
    const { path } = await deploy(host, fleet({ agents: { web: {} } }));
    await knownGood(host, path);
    await host.succeed("systemctl stop daruma-agent-web.service");
    await entry(host, { action: "agent.stopped-outside", subject: "web" });
    t.match(await agent(host, "web"), { phase: "stopped", stoppedBy: "outside" });
    await host.succeed("systemctl start daruma-agent-web.service");
    await entry(host, { action: "agent.adopt", subject: "web" });
    await healthy(host, "web");
    const before = await lastEntry(host);
    await host.succeed("systemctl restart daruma-agent-web.service");
    await entry(host, { action: "agent.adopt", subject: "web", after: before });
    await healthy(host, "web");
    t.notOk((await entries(host)).some(({ action }) => action === "agent.exit"));
  },
);

scenario("What SIGKILL does not end is no agent that has stopped", async (host, t) => {
  const code = `
    const deaf = "process.on('SIGTERM', () => {}); setInterval(() => {}, 1_000);";
    require("node:child_process").spawn(process.execPath, ["--eval", deaf], { stdio: "ignore" });
    ${serves()}`;
  await deploy(host, fleet({ agents: { web: { code, fields: { stop: { grace: "1s" } } } } }));
  // A process that waits for the kernel cannot be had at will. One that is spared SIGKILL leaves its unit the same.
  const dropIn = "/run/systemd/system/daruma-agent-web.service.d/10-spare.conf";
  await host.writeFile(dropIn, "[Service]\nSendSIGKILL=no\n");
  await host.succeed("systemctl daemon-reload");
  await healthy(host, "web");
  const stopped = host.exec("agentctl stop web", { timeoutMs: 60_000 });
  const { run, details } = await entry(host, { action: "agent.stop-failed", subject: "web" });
  t.match(details.message, /SIGKILL has not ended what is left of its last run/);
  t.match(
    await host.succeed("systemctl show --value -p MainPID,ActiveState daruma-agent-web.service"),
    "failed",
  );
  t.match(await agent(host, "web"), { phase: "stopping", runId: run });
  const group = "/sys/fs/cgroup/system.slice/daruma-agent-web.service/cgroup.procs";
  await host.succeed(`xargs kill -KILL < ${group}`);
  await until("it is stopped", async () =>
    (await agent(host, "web"))?.phase === "stopped" ? true : undefined,
  );
  await stopped;
});

scenario("A deploy that changes an agent is no failure of it", async (host, t) => {
  await deploy(host, fleet({ agents: { web: {}, other: {} } }));
  await healthy(host, "web");
  const { runId } = await healthy(host, "other");
  const { path } = await deploy(host, fleet({ agents: { web: { code: serves("changed") }, other: {} } }));
  await knownGood(host, path);
  t.equal(await host.succeed("curl --silent http://127.0.0.1:8080/"), "changed");
  t.equal((await healthy(host, "other")).runId, runId, "what did not change ran on");
  const told = await entries(host);
  t.notOk(told.some(({ action, incident }) => incident !== undefined || action === "agent.exit"));
  const removed = await deploy(host, fleet({ agents: { other: {} } }));
  await knownGood(host, removed.path);
  t.equal(await agent(host, "web"), undefined);
  t.notOk((await entries(host)).some(({ incident }) => incident !== undefined));
});

scenario("An agent runs as its own user, sees its own files, and has its credentials", async (host, t) => {
  await host.writeFile("/root/secret", "s3cret\n", 0o600);
  const code = `
    const { readFileSync, writeFileSync, readdirSync } = require("node:fs");
    const attempt = (what) => { try { return what(); } catch (error) { return error.code; } };
    writeFileSync(process.env.DARUMA_STATE_DIR + "/report", JSON.stringify({
      uid: process.getuid(),
      secret: readFileSync(process.env.CREDENTIALS_DIRECTORY + "/API_KEY", "utf8"),
      original: attempt(() => readFileSync("/root/secret", "utf8")),
      etc: attempt(() => writeFileSync("/etc/owned", "")),
      other: attempt(() => readdirSync("/var/lib/daruma/agents/other/state")),
      ledger: attempt(() => readdirSync("/var/lib/daruma/ledger")),
      watchd: attempt(() => readFileSync("/run/daruma/exits/web", "utf8")),
    }));
    ${serves()}`;
  const fields = { credentials: { API_KEY: "/root/secret" } };
  await deploy(host, fleet({ agents: { web: { code, fields }, other: {} } }));
  await healthy(host, "web");
  const report = JSON.parse(await host.readFile("/var/lib/daruma/agents/web/state/report"));
  t.equal(report.uid, Number(await host.succeed("id -u da-web")));
  t.not(report.uid, Number(await host.succeed("id -u da-other")));
  t.equal(report.secret, "s3cret\n");
  for (const denied of ["original", "other", "ledger", "watchd"])
    t.match(report[denied], /^(EACCES|ENOENT|EPERM)$/, denied);
  t.equal(report.etc, "EROFS");
});
