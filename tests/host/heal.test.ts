/** An agent fails: what is healed, what is waited out, and what is not blamed on anybody. */

import { agent, entries, entry, healthy, knownGood, lastEntry, pidOf, until } from "./daruma.ts";
import { deploy } from "./deploy.ts";
import {
  beatsOnceThenAlways,
  fleet,
  leaksUntilQuiet,
  serves,
  servesUntil,
  tellsWhatItSees,
} from "./fixtures/fleets.ts";
import { current } from "./fixtures/services.ts";
import { scenario } from "./scenario.ts";

scenario(
  "An agent that is killed is healed in the same generation, and the ledger tells it",
  async (host, t) => {
    const { path, number } = await deploy(
      host,
      fleet({ agents: { web: { code: tellsWhatItSees } }, metrics: { port: 9464 } }),
    );
    await knownGood(host, path);
    const before = await healthy(host, "web");
    const said = await entry(host, { action: "data.consume", actor: "agent:web" });
    t.equal(
      said.subject,
      "view:agents,exits web EACCES",
      "of /run/daruma an agent can enter its own directory",
    );
    t.equal(said.run, before.runId);
    const socket = "/run/daruma/agents/web/api.sock";
    t.equal(await host.succeed(`stat -c '%a %U %G' ${socket}`), "660 root da-web\n");
    const ask = `curl --silent --show-error --max-time 10 --unix-socket ${socket} http://d/v1/self`;
    const as = (user: string) => `setpriv --reuid=${user} --regid=${user} --clear-groups ${ask}`;
    t.match(JSON.parse(await host.succeed(as("da-web"))), { name: "web", run: before.runId });
    t.not((await host.exec(as("daruma-ledger"))).exitCode, 0, "nobody else opens it");
    await host.succeed(`kill -9 ${before.pid}`);
    const exit = await entry(host, { action: "agent.exit", subject: "web" });
    // It has long been proven, and nothing else was wrong: a person, as far as can be told.
    t.match(exit.details, { cause: "killed-by-operator", exit: { kind: "signal", signal: "SIGKILL" } });
    const verified = await entry(host, { action: "recovery.verified", subject: "web" });
    t.equal(verified.incident, exit.incident);
    t.not(verified.run, exit.run);
    const after = await healthy(host, "web");
    t.not(after.pid, before.pid);
    t.equal((await entry(host, { action: "data.consume", after: exit.seq })).run, after.runId);
    t.equal(after.pid, await pidOf(host, "web"));
    t.equal(await current(host), path);
    t.same(
      (await entries(host)).filter(({ incident }) => incident === exit.incident).map(({ action }) => action),
      ["agent.exit", "agent.restart", "agent.start", "recovery.verified"],
    );
    await host.succeed("agentctl status");
    const lines = (await host.succeed(`agentctl logs web --incident ${exit.incident} --json`))
      .trim()
      .split("\n");
    t.match(
      lines.map((line) => JSON.parse(line)).filter(({ message }) => message === "it begins"),
      [
        // systemd had started it before watchd was there: nobody has written down of which generation it is.
        { run: before.runId, incident: null, generation: null },
        { run: after.runId, incident: exit.incident, generation: number },
      ],
      "the journal has the agent's lines, the ledger what they belong to",
    );
    t.match(JSON.parse(await host.succeed("journalctl --quiet --output=json --lines=1 DARUMA_AGENT=web")), {
      _SYSTEMD_UNIT: "daruma-agent-web.service",
      DARUMA_DIGEST: /^[0-9a-f]{64}$/,
    });
    const scrape = await host.succeed(
      "curl --silent --show-error --max-time 10 http://127.0.0.1:9464/metrics",
    );
    t.same(scrape.match(/^daruma_up.*$/gm), [
      'daruma_up{daemon="watchd"} 1',
      'daruma_up{daemon="ledgerd"} 1',
    ]);
    t.match(scrape, /^daruma_agent_restarts_total\{agent="web",cause="killed-by-operator"\} 1$/m);
    t.match(scrape, /^daruma_agent_recovery_duration_seconds_count\{agent="web"\} 1$/m);
    t.match(scrape, /^daruma_agent_cpu_seconds_total\{agent="web"\} [0-9.]+$/m);
    await until("the open files of its new run are counted", async () => {
      const text = await host.succeed(
        "curl --silent --show-error --max-time 10 --unix-socket /run/daruma-metrics/metrics.sock http://d/metrics",
      );
      return /^daruma_agent_open_files\{agent="web"\} [1-9][0-9]*$/m.test(text) ? true : undefined;
    });
    await host.succeed(
      "agentctl ledger export --out /root/audit.jsonl && agentctl ledger verify /root/audit.jsonl",
    );
  },
);

scenario(
  "An agent whose whole control group is killed, its hook and all, is healed with the cause known",
  async (host, t) => {
    await deploy(host, fleet({ agents: { web: {} } }));
    await healthy(host, "web");
    await host.succeed("systemctl kill --signal=KILL daruma-agent-web.service");
    const exit = await entry(host, { action: "agent.exit", subject: "web" });
    t.match(exit.details, { exit: { kind: "signal", signal: "SIGKILL" } });
    await entry(host, { action: "recovery.verified", subject: "web" });
  },
);

scenario(
  "An agent that falls silent towards systemd is ended by it, and healed as one that hangs",
  async (host, t) => {
    const fields = { heartbeat: { through: "notify", every: "250ms", silence: "2s" } };
    await deploy(host, fleet({ agents: { web: { code: beatsOnceThenAlways, fields } } }));
    const exit = await entry(host, { action: "agent.exit", subject: "web" });
    t.match(exit.details, { cause: "hang", exit: { kind: "watchdog" } });
    const verified = await entry(host, { action: "recovery.verified", subject: "web" });
    t.equal(verified.incident, exit.incident);
    const before = await healthy(host, "web");
    const lasts = Date.now() + 4_000;
    await until("it is heard for longer than it may be silent", async () =>
      Date.now() > lasts ? true : undefined,
    );
    t.equal((await healthy(host, "web")).pid, before.pid);
  },
);

scenario(
  "An agent that leaks is restarted at the moment that it calls idle, which is no failure, and the ledger has the slope",
  async (host, t) => {
    const code = leaksUntilQuiet("/var/quiet");
    const fields = { resources: { leak: { growth: "8MiB", within: "12s" } } };
    const { path } = await deploy(host, fleet({ agents: { web: { code, fields } } }));
    await knownGood(host, path);
    const before = await healthy(host, "web");
    const leak = await entry(host, { action: "agent.leak", subject: "web" });
    t.equal(leak.run, before.runId);
    t.match(leak.details, { resource: "leak", withinMs: 12_000, limitBytes: 8 * 1024 ** 2 });
    t.ok(Number(leak.details.samples) >= 24);
    // It grows by 5 MiB a second, as far as the machine lets it.
    t.ok(Number(leak.details.slopeBytesPerHour) >= (8 * 1024 ** 2 * 3_600) / 12 - 1);
    t.equal((await healthy(host, "web")).pid, before.pid, "it is busy");
    await host.writeFile("/var/quiet", "");
    const { details, run } = await entry(host, { action: "agent.preempt", subject: "web" });
    t.equal(run, before.runId);
    t.match(details, { cause: "leak", moment: "idle", counts: false, samples: leak.details.samples });
    await until("it runs anew", async () => {
      const { phase, pid } = (await agent(host, "web")) ?? {};
      return phase === "healthy" && pid !== before.pid ? true : undefined;
    });
    t.equal(await current(host), path);
    t.notOk(
      (await entries(host)).some(({ incident }) => incident !== undefined),
      "nothing has failed",
    );
  },
);

scenario(
  "A fault outside is waited out: exit code 75 leads to backoff and an alert, never to a rollback",
  async (host, t) => {
    const good = await deploy(host, fleet({ agents: { web: { code: servesUntil("/var/outage") } } }));
    await knownGood(host, good.path);
    // The agent changes with this deploy, so that a rollback would be possible.
    const code = `${servesUntil("/var/outage")} // changed`;
    const { path } = await deploy(host, fleet({ agents: { web: { code } } }));
    await healthy(host, "web");
    const before = await lastEntry(host);
    await host.writeFile("/var/outage", "75");
    await entry(host, { action: "alert.raise", subject: "web", after: before });
    await until("five tries", async () => {
      const exits = (await entries(host)).filter(
        ({ action, seq }) => action === "agent.exit" && seq > before,
      );
      return exits.length >= 5 ? true : undefined;
    });
    t.equal(await current(host), path);
    await host.succeed("rm /var/outage");
    await entry(host, { action: "recovery.verified", subject: "web", after: before });
    t.notOk((await entries(host)).some(({ action }) => action === "generation.rollback"));
  },
);

scenario(
  "An agent that a deploy did not change is not rolled back when it starts to fail: it is held, with an alert",
  async (host, t) => {
    const web = { code: servesUntil("/var/broken") };
    const good = await deploy(host, fleet({ agents: { web, other: {} } }));
    await knownGood(host, good.path);
    const { path } = await deploy(host, fleet({ agents: { web, other: { code: serves("changed") } } }));
    await knownGood(host, path);
    const before = await lastEntry(host);
    await host.writeFile("/var/broken", "1");
    const hold = await entry(host, { action: "agent.hold", subject: "web", after: before });
    t.match(String(hold.details.noRollback), "deploy-changed-agent");
    t.match((await entry(host, { action: "alert.raise", subject: "web", after: before })).details, {
      kind: "held",
    });
    t.equal(await current(host), path);
    t.equal((await agent(host, "other"))?.phase, "healthy");
    await host.succeed("rm /var/broken");
    await entry(host, { action: "recovery.verified", subject: "web", after: before });
    t.notOk((await entries(host)).some(({ action }) => action === "generation.rollback"));
  },
);
