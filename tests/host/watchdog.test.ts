/** The watchdog itself fails, at the worst moment or for good. */
import {
  agent,
  beforeProgram,
  entries,
  entry,
  healthy,
  knownGood,
  lastEntry,
  pidOf,
  status,
  until,
} from "./daruma.ts";
import { deploy } from "./deploy.ts";
import { dies, fleet, serves } from "./fixtures/fleets.ts";
import { current } from "./fixtures/services.ts";
import type { Host } from "./host.ts";
import { scenario } from "./scenario.ts";

const good = fleet({ agents: { web: {} } });
const killWatchd = "systemctl kill --signal=KILL daruma-watchd.service";

async function count(host: Host, wanted: string): Promise<number> {
  return (await entries(host)).filter(({ action }) => action === wanted).length;
}

scenario("Agents outlive the watchdog, and the next one knows them", async (host, t) => {
  await deploy(host, good);
  const before = await healthy(host, "web");
  await host.succeed(killWatchd);
  await until("the next watchd", async () => ((await count(host, "watchd.start")) === 2 ? true : undefined));
  const after = await healthy(host, "web");
  t.same([after.runId, after.pid], [before.runId, before.pid]);
  t.notOk((await entries(host)).some(({ action }) => action === "agent.exit"));
  await hangs(host, t);
});

/** systemd ends the daemon once it has been silent for so long. */
async function shorten(host: Host, unit: string, watchdog: string): Promise<void> {
  const dropIn = `/run/systemd/system/${unit}.d`;
  await host.succeed(
    `mkdir -p ${dropIn} && printf '[Service]\\nWatchdogSec=${watchdog}\\nTimeoutAbortSec=1s\\n' >${dropIn}/90-short.conf && systemctl daemon-reload && systemctl restart ${unit}`,
  );
}

/** A watchdog that does nothing any more feeds systemd's watchdog no more: it is ended, and the next one goes on. */
async function hangs(host: Host, t: Parameters<Parameters<typeof scenario>[1]>[1]): Promise<void> {
  await shorten(host, "daruma-watchd.service", "8s");
  await until("watchd with a short leash", async () => (await status(host)) ?? undefined);
  const before = await healthy(host, "web");
  const starts = await count(host, "watchd.start");
  await host.succeed("systemctl kill --kill-whom=main --signal=STOP daruma-watchd.service");
  await host.succeed(`kill -9 ${before.pid}`);
  await until("the next watchd", async () =>
    (await count(host, "watchd.start")) === starts + 1 ? true : undefined,
  );
  t.match(await host.journal(), /daruma-watchd\.service: Watchdog timeout/, "it was systemd that ended it");
  const after = await healthy(host, "web");
  t.not(after.runId, before.runId, "what happened meanwhile is not lost");
}

scenario("A ledger that hangs is ended by systemd, and what happened meanwhile is in it", async (host, t) => {
  await deploy(host, good);
  const before = await healthy(host, "web");
  await shorten(host, "daruma-ledgerd.service", "6s");
  const last = await until("the ledger with a short leash", async () => (await lastEntry(host)) || undefined);
  await host.succeed("systemctl kill --kill-whom=main --signal=STOP daruma-ledgerd.service");
  await host.succeed(`kill -9 ${before.pid}`);
  const exit = await entry(host, { action: "agent.exit", subject: "web", after: last });
  await entry(host, { action: "recovery.verified", subject: "web", after: exit.seq });
  t.match(await host.journal(), /daruma-ledgerd\.service: Watchdog timeout/);
});

scenario("A watchdog that is killed in mid-recovery: the next one brings it to its end", async (host, t) => {
  const fields = {
    restart: { backoff: { initial: "3s", factor: 1, max: "3s" }, attempts: 3, within: "10m" },
  };
  await deploy(host, fleet({ agents: { web: { fields } } }));
  const { pid } = await healthy(host, "web");
  await host.succeed(`kill -9 ${pid}`);
  const restart = await entry(host, { action: "agent.restart", subject: "web" });
  await host.succeed(killWatchd);
  const verified = await entry(host, { action: "recovery.verified", subject: "web" });
  t.equal(verified.incident, restart.incident, "it is one and the same incident");
  t.equal(await count(host, "agent.exit"), 1);
});

scenario(
  "A watchdog that is killed in mid-rollback: the system comes back all the same, once",
  async (host, t) => {
    const { path } = await deploy(host, good);
    await knownGood(host, path);
    const stops = [
      "[Service]",
      "ExecStart=/bin/sleep 1000000",
      `ExecStop=/bin/sh -c "touch /run/half-way; while test ! -e /run/go; do sleep 0.05; done"`,
      "",
    ].join("\n");
    const configuration = `{ systemd.units."lingers.service" = { text = ${JSON.stringify(stops)}; wantedBy = [ "multi-user.target" ]; }; }`;
    await deploy(host, fleet({ agents: { web: { code: dies } }, configuration }));
    await host.waitUntilSucceeds("test -e /run/half-way");
    await host.succeed(killWatchd);
    await until("the next watchd", async () => (await status(host)) ?? undefined);
    await host.succeed("touch /run/go");
    await entry(host, { action: "recovery.verified", subject: "web" });
    t.equal(await current(host), path);
    t.equal(await count(host, "generation.rollback-failed"), 0);
    t.equal(await count(host, "generation.rolled-back"), 1);
    t.equal(await count(host, "generation.quarantine"), 1);
  },
);

scenario("A deploy in which the watchdog cannot start is rolled back without it", async (host, t) => {
  const { path } = await deploy(host, good);
  await knownGood(host, path);
  const { pid } = await healthy(host, "web");
  const configuration = `{ pkgs, ... }: { services.daruma.package = pkgs.withPrograms { watchd = "exit 1"; }; }`;
  const broken = await deploy(host, fleet({ agents: { web: {} }, configuration }));
  t.equal(await pidOf(host, "web"), pid, "the agent does not notice");
  const failed = await entry(host, { action: "watchd.failed" });
  t.match(failed.details, { decision: "rollback", generation: broken.path });
  const back = await entry(host, { action: "generation.rolled-back", incident: String(failed.incident) });
  t.equal(back.subject, path);
  t.equal(await current(host), path);
  await healthy(host, "web");
  t.equal(await pidOf(host, "web"), pid);
  t.same(
    await until("the quarantine", async () => {
      const found = (await status(host))?.quarantine ?? [];
      return found.length > 0 ? found.map((each) => [each.path, each.agent]) : undefined;
    }),
    [[broken.path, "watchd"]],
  );
});

scenario(
  "A watchdog that cannot start in a generation that was proven leaves it alone, and says so",
  async (host, t) => {
    const { path } = await deploy(host, good);
    await knownGood(host, path);
    await healthy(host, "web");
    // Nothing of the generation is to blame: its state cannot be written any more.
    await host.succeed(
      "mount -t tmpfs -o ro none /var/lib/daruma/watchd && systemctl kill --signal=KILL daruma-watchd.service",
    );
    await host.waitUntilSucceeds("systemctl is-failed daruma-watchd.service");
    await host.waitUntilSucceeds("journalctl -u daruma-watchd-failed.service | grep -q 'cannot stay up'");
    t.equal(await current(host), path);
    t.equal(await host.succeed("systemctl is-active daruma-agent-web.service"), "active\n");
    await host.succeed(
      "umount /var/lib/daruma/watchd && systemctl reset-failed && systemctl start daruma-watchd.service",
    );
    await healthy(host, "web");
  },
);

scenario(
  "A deploy that breaks the ledger along with an agent is rolled back all the same, and told late",
  async (host, t) => {
    const { path } = await deploy(host, good);
    await knownGood(host, path);
    const before = await lastEntry(host);
    const configuration = `{ pkgs, ... }: { services.daruma.package = pkgs.withPrograms { ledgerd = "exit 9"; }; }`;
    // A second between its tries: what comes so much later is called late.
    const restart = { backoff: { initial: "1s", factor: 1, jitter: 0 }, attempts: 3, within: "10m" };
    const web = { code: dies, fields: { restart } };
    const broken = await deploy(host, fleet({ agents: { web }, configuration }));
    await entry(host, { action: "recovery.verified", subject: "web", after: before });
    t.equal(await current(host), path);
    const exit = await entry(host, { action: "agent.exit", subject: "web", after: before });
    t.equal(exit.details.late, true);
    const rollback = await entry(host, { action: "generation.rollback", after: before });
    t.match(rollback, { incident: exit.incident, details: { from: broken.path, by: "watchd" } });
    t.match((await status(host))?.ledger, { connected: true, waiting: 0 });
    await host.succeed(
      "agentctl ledger export --out /root/audit.jsonl && agentctl ledger verify /root/audit.jsonl",
    );
  },
);

scenario(
  "A systemd that is too busy to answer is no reason to end the watchdog, or to go back",
  async (host, t) => {
    const first = await deploy(host, good);
    await knownGood(host, first.path);
    const second = await deploy(host, fleet({ agents: { web: { code: serves("two") } }, probation: "1h" }));
    const listing = `case "$*" in *list-units*) [ -e /run/busy ] && exec sleep 60 ;; esac`;
    await beforeProgram(host, "systemctl", listing, "WatchdogSec=18s");
    await until("the next watchd", async () => (await status(host)) ?? undefined);
    const { pid } = await healthy(host, "web");
    const show = "systemctl show --value --property=MainPID,NRestarts daruma-watchd.service";
    const before = await host.succeed(show);
    await host.writeFile("/run/busy", "");
    const missed = "journalctl -u daruma-watchd.service | grep -c 'the survey failed: systemctl did not end'";
    await host.waitUntilSucceeds(`test "$(${missed})" -ge 3`);
    await host.succeed(`kill -9 ${pid}`);
    await entry(host, { action: "recovery.verified", subject: "web" });
    t.equal(await host.succeed(show), before, "it is the same watchd");
    t.equal(await current(host), second.path);
    await host.succeed("rm /run/busy");
  },
);

scenario(
  "Without a watchdog, an agent that fails is started by systemd, and taken over later",
  async (host, t) => {
    await deploy(host, good);
    const before = await healthy(host, "web");
    await host.succeed("systemctl stop daruma-watchd.service");
    await host.succeed(`kill -9 ${before.pid}`);
    await host.waitUntilSucceeds("curl --silent --fail http://127.0.0.1:8080/");
    await host.succeed("systemctl start daruma-watchd.service");
    const adopted = await entry(host, { action: "agent.adopt", subject: "web" });
    t.ok(adopted);
    const after = await healthy(host, "web");
    t.not(after.pid, before.pid);
    t.equal(
      after.pid,
      await pidOf(host, "web"),
      "it is the one that systemd has started, and was not started again",
    );
    t.match((await entry(host, { action: "agent.exit", subject: "web" })).details, {
      exit: { kind: "signal", signal: "SIGKILL" },
    });
    t.ok(await agent(host, "web"));
  },
);
