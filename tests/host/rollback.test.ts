/** A deploy was the cause: the way back, by itself and by hand. */
import type { Test } from "tap";
import { beforeProgram, entries, entry, healthy, knownGood, lastEntry, status, until } from "./daruma.ts";
import { build, deploy, setProfile, switchTo } from "./deploy.ts";
import { dies, fleet, serves, servesUntil } from "./fixtures/fleets.ts";
import { bootDefault, current } from "./fixtures/services.ts";
import type { Host } from "./host.ts";
import { type Play, scenario } from "./scenario.ts";

const good = fleet({ agents: { web: {} } });
const bad = fleet({ agents: { web: { code: dies } } });

async function backOn(host: Host, path: string): Promise<void> {
  await until(`${path} is current, and nothing is under way`, async () => {
    const seen = await status(host);
    return seen?.generation?.path === path && seen.rollback === null ? true : undefined;
  });
}

scenario(
  "A deploy whose agent dies at its start is rolled back by itself, once, and quarantined",
  async (host, t) => {
    const { path, number } = await deploy(host, good);
    await knownGood(host, path);
    const old = await healthy(host, "web");
    const broken = await deploy(host, bad);
    const decided = await entry(host, { action: "generation.rollback" });
    t.match(decided.details, { by: "watchd", agent: "web", from: broken.path, toNumber: number });
    await entry(host, { action: "recovery.verified", subject: "web" });
    await backOn(host, path);
    t.equal(await current(host), path);
    t.equal(await host.succeed("curl --silent http://127.0.0.1:8080/"), "ok", "it runs its old code");
    t.not((await healthy(host, "web")).runId, old.runId);
    const told = await entries(host);
    t.equal(told.filter(({ action }) => action === "generation.rollback").length, 1);
    t.equal(
      told.filter(({ action, incident }) => action === "agent.exit" && incident === decided.incident).length,
      3,
    );
    t.same(
      (await status(host))?.quarantine.map((each) => [each.path, each.agent]),
      [[broken.path, "web"]],
    );
    const again = await switchTo(host, broken.path, "check");
    t.match(again, { exitCode: 1, output: /was rolled back from, and is quarantined/ });
    t.equal((await switchTo(host, path, "check")).exitCode, 0);
    await host.succeed(["agentctl", "generations", "allow", String(broken.number)]);
    await until("a person's word lets it pass", async () =>
      (await switchTo(host, broken.path, "check")).exitCode === 0 ? true : undefined,
    );
    t.equal(await bootDefault(host), `default nixos-generation-${number}.conf`, "it is what boots next");
    t.equal((await host.succeed("readlink -f /nix/var/nix/profiles/system")).trim(), path);
    await host.reboot();
    t.equal(await current(host), path);
    await healthy(host, "web");
  },
);

/** A deploy changes one agent and nothing else, which asks for no more than its own way back. */
async function goesBackAlone(host: Host, t: Test, codeOf: Readonly<Record<string, string>>): Promise<void> {
  const fields = { escalate: ["rollback-agent", "alert"] };
  const broken = await deploy(host, fleet({ agents: { web: { code: "process.exit(2);", fields } } }));
  const worn = await entry(host, { action: "agent.stand-in", subject: "web" });
  t.match(worn.details, { kind: "earlier" });
  await entry(host, { action: "recovery.verified", subject: "web", incident: String(worn.incident) });
  t.equal(await current(host), broken.path, "the system stays");
  const says = () => host.succeed("curl --silent http://127.0.0.1:8080/");
  const old = codeOf[String(worn.details.generation)];
  t.equal(await says(), old, "it runs the code of a generation that is known-good");
  const dropIn = "/run/systemd/system/daruma-agent-web.service.d/50-daruma.conf";
  const text = await host.succeed(`cat ${dropIn}`);
  t.match(text, /^# daruma-stand-in 1 earlier /);
  t.equal(
    (await host.succeed("readlink /nix/var/nix/gcroots/daruma/stand-in-web")).trim(),
    String(worn.details.generation),
  );
  const told = await host.exec("agentctl status");
  t.not(told.exitCode, 0, "that is not all well");
  t.match(told.stdout, /as in generation/);
  await host.reboot();
  t.equal(await current(host), broken.path);
  await healthy(host, "web");
  t.equal(await says(), old, "at boot its old code is in force before it starts");
  t.equal(await host.succeed(`cat ${dropIn}`), text);
  const failures = (await entries(host)).filter(
    ({ action, incident }) => action === "agent.exit" && incident === worn.incident,
  );
  t.equal(failures.length, 3, "the broken code was not started once more");
  await deploy(host, fleet({ agents: { web: { code: serves("mended"), fields } } }));
  await entry(host, { action: "agent.stand-in-over", subject: "web" });
  await until("its new code", async () =>
    (await host.exec("curl --silent http://127.0.0.1:8080/")).stdout === "mended" ? true : undefined,
  );
  t.equal((await host.exec(`test -e ${dropIn}`)).exitCode, 1, "nothing stands in for it any more");
}

scenario("The way back is there after the garbage was collected", async (host, t) => {
  const { path } = await deploy(host, good);
  await knownGood(host, path);
  await deploy(host, bad, "boot");
  await host.succeed("nix-collect-garbage -d");
  t.equal(
    await host.succeed("ls -d /nix/var/nix/profiles/system-*-link | wc -l"),
    "1\n",
    "no profile keeps it",
  );
  const broken = (await host.succeed("readlink -f /nix/var/nix/profiles/system")).trim();
  await switchTo(host, broken, "switch");
  await entry(host, { action: "recovery.verified", subject: "web" });
  await backOn(host, path);
  t.equal(await current(host), path);
});

const rollsBackByHand: Play = async (host, t) => {
  const first = await deploy(host, good);
  await knownGood(host, first.path);
  const second = await deploy(host, fleet({ agents: { web: { code: serves("two") } } }));
  await knownGood(host, second.path);
  const refused = await host.exec("agentctl rollback");
  t.equal(refused.exitCode, 2, "without a terminal it wants --yes");
  t.equal(await current(host), second.path);
  const answer = JSON.parse(await host.succeed("agentctl rollback --yes --json"));
  t.match(answer, { target: first.path, targetNumber: first.number, proven: true });
  t.equal(await current(host), first.path);
  t.equal(await host.succeed("curl --silent http://127.0.0.1:8080/"), "ok");
  const told = (await entries(host)).filter(({ action }) => action.startsWith("generation.roll"));
  t.same(
    told.map(({ action }) => action),
    ["generation.rollback-request", "generation.rollback", "generation.rolled-back"],
  );
  t.same((await status(host))?.quarantine, [], "a person's rollback condemns nothing");
  const there = await host.exec(`agentctl rollback --yes --to ${first.number} --json`);
  t.equal(there.exitCode, 1);
  t.equal(JSON.parse(there.stdout).error.code, "WATCHD_E_ROLLBACK_REFUSED");
  await goesBackAlone(host, t, { [first.path]: "ok", [second.path]: "two" });
};

// Six deploys and a reboot, beside other hosts.
scenario("A person rolls back with agentctl, and the ledger has their intent first", rollsBackByHand, {
  timeoutMs: 400_000,
});

scenario("A person's rollback is refused while it cannot be recorded", async (host, t) => {
  const first = await deploy(host, good);
  await knownGood(host, first.path);
  const second = await deploy(host, fleet({ agents: { web: { code: serves("two") } } }));
  await knownGood(host, second.path);
  await host.succeed("systemctl stop daruma-ledgerd.service");
  const { exitCode, stdout } = await host.exec("agentctl rollback --yes --json");
  t.equal(exitCode, 1);
  t.equal(JSON.parse(stdout).error.code, "WATCHD_E_LEDGER_UNAVAILABLE");
  t.equal(await current(host), second.path);
});

scenario("A rollback that loses its power goes on when the machine is back", async (host, t) => {
  const { path, number } = await deploy(host, good);
  await knownGood(host, path);
  // What the broken generation brings along stops slowly enough for the power to fail in the middle of the switch back.
  const stops = `[Service]\nExecStart=/bin/sleep 1000000\nExecStop=/bin/sh -c "touch /run/half-way; exec sleep 1000"\n`;
  const configuration = `{ systemd.units."lingers.service" = { text = ${JSON.stringify(stops)}; wantedBy = [ "multi-user.target" ]; }; }`;
  await deploy(host, fleet({ agents: { web: { code: dies } }, configuration }));
  await host.waitUntilSucceeds("test -e /run/half-way");
  await host.cutPower();
  t.equal(
    await bootDefault(host),
    `default nixos-generation-${number}.conf`,
    "what boots was set before anything moved",
  );
  t.equal(await current(host), path);
  await entry(host, { action: "generation.rolled-back" });
  await healthy(host, "web");
  t.equal((await entries(host)).filter(({ action }) => action === "generation.quarantine").length, 1);
});

scenario(
  "A rollback that a switch inhibitor forbids is what boots next, and is there once the machine has booted",
  async (host, t) => {
    const inhibiting = (value: string) =>
      `{ system.switch.inhibitors = { dbus-implementation = "${value}"; }; }`;
    const first = await deploy(host, fleet({ agents: { web: {} }, configuration: inhibiting("dbus") }));
    await knownGood(host, first.path);
    const second = fleet({ agents: { web: { code: dies } }, configuration: inhibiting("broker") });
    const broken = await deploy(host, second, "boot");
    await host.reboot();
    t.equal(await current(host), broken.path);
    const failed = await entry(host, { action: "generation.rollback-failed" });
    t.equal(failed.subject, first.path);
    t.match(JSON.stringify(failed.details), "only a reboot can activate it");
    await entry(host, { action: "agent.hold", subject: "web", after: failed.seq });
    t.equal(await current(host), broken.path);
    t.equal(await bootDefault(host), `default nixos-generation-${first.number}.conf`);
    await host.reboot();
    t.equal(await current(host), first.path);
    await healthy(host, "web");
    for (const { action, details } of await entries(host))
      if (action === "generation.rollback") t.equal(details.from, broken.path, "nothing else was left");
    const back = await entry(host, { action: "generation.rolled-back", after: failed.seq });
    t.match(back, {
      subject: first.path,
      incident: failed.incident,
      details: { from: broken.path, by: "reboot" },
    });
    t.same(
      (await status(host))?.quarantine.map((each) => [each.path, each.agent]),
      [[broken.path, "web"]],
    );
  },
);

scenario(
  "A nix-store that is killed costs neither the proof of a generation nor a rollback",
  async (host, t) => {
    await deploy(host, fleet({ agents: { web: {} }, probation: "1h" }));
    // What looks for drift asks as well, in a unit of its own.
    const once = `[ $PPID -ne 1 ] && [ "$1" = --verify-path ] && [ ! -e /run/killed ] && : >/run/killed && kill -TERM $$`;
    await beforeProgram(host, "nix-store", once);
    const { path } = await deploy(host, good);
    const unread = await entry(host, { action: "generation.promotion-failed" });
    t.match(unread, { subject: path, details: { message: "nix-store: SIGTERM" } });
    await knownGood(host, path);
    await host.succeed("rm /run/killed");
    await deploy(host, bad);
    await entry(host, { action: "generation.rolled-back" });
    await backOn(host, path);
    t.equal((await host.exec("test -e /run/killed")).exitCode, 0, "it was killed at the rollback as well");
    t.notOk((await entries(host)).some(({ action }) => action === "generation.damaged"));
  },
);

scenario("A generation that was never proven is no target: the agent is held instead", async (host, t) => {
  const { path } = await deploy(host, fleet({ agents: { web: {} }, probation: "1h" }));
  await healthy(host, "web");
  const broken = await deploy(host, bad);
  const hold = await entry(host, { action: "agent.hold", subject: "web" });
  t.match(String(hold.details.noRollback), "known-good-target");
  t.equal(await current(host), broken.path);
  await setProfile(host, path);
  await switchTo(host, path, "switch");
  await entry(host, { action: "recovery.verified", subject: "web", after: hold.seq });
});

scenario(
  "A damaged generation is not gone back to: the one before it is, and where its agent fails too it is held",
  async (host, t) => {
    const first = await deploy(host, fleet({ agents: { web: { code: servesUntil("/var/broken") } } }));
    await knownGood(host, first.path);
    const second = await deploy(host, fleet({ agents: { web: { code: serves("two") } } }));
    await knownGood(host, second.path);
    const broken = await build(host, bad);
    const version = `${second.path}/nixos-version`;
    await host.succeed(`chmod u+w ${version} && echo damaged >>${version}`);
    const before = await lastEntry(host);
    await setProfile(host, broken);
    await switchTo(host, broken, "switch");
    const failed = await entry(host, { action: "generation.rollback-failed", after: before });
    t.equal(failed.subject, second.path);
    await entry(host, { action: "recovery.verified", subject: "web", after: before });
    await backOn(host, first.path);
    const back = await lastEntry(host);
    await host.writeFile("/var/broken", "1");
    const hold = await entry(host, { action: "agent.hold", subject: "web", after: back });
    t.match(String(hold.details.noRollback), "known-good-target");
    const alert = await entry(host, { action: "alert.raise", subject: "web", after: back });
    t.match(alert.details, { kind: "held" });
    t.equal(await current(host), first.path, "it stays where it has come back to");
    const left = (await entries(host)).filter(({ action }) => action === "generation.rollback");
    t.ok(
      left.every(({ seq }) => seq < back),
      "nothing was left for what is broken or damaged",
    );
    t.same(
      (await status(host))?.quarantine.map(({ path }) => path),
      [broken],
    );
  },
);
