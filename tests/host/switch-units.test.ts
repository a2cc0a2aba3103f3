/** What a switch of the stand-in does to units, accounts and files: what switch-to-configuration-ng does. */
import { deploy } from "./deploy.ts";
import { current, generation, runOf, runsOf, type Service } from "./fixtures/services.ts";
import { scenario } from "./scenario.ts";

scenario(
  "A switch starts what is new, restarts what changed, stops what is gone and leaves the rest alone",
  async (host, t) => {
    const first = await deploy(host, generation({ changes: {}, goes: {}, stays: {} }));
    t.equal(first.exitCode, 0);
    t.equal(first.number, 2);
    t.equal(await current(host), first.path);
    const [changes, goes, stays] = await runsOf(host, ["changes", "goes", "stays"]);
    t.ok(changes && goes && stays);

    const second = await deploy(host, generation({ changes: { argument: "2000" }, comes: {}, stays: {} }));
    t.equal(second.exitCode, 0);
    t.equal(second.number, 3);
    t.match(second.output, /stopping the following units: changes\.service, goes\.service/);
    t.match(second.output, /the following new units were started: comes\.service/);
    t.equal(await runOf(host, "goes"), "");
    t.equal(await runOf(host, "stays"), stays);
    t.ok(await runOf(host, "comes"));
    t.not(await runOf(host, "changes"), changes);
    t.match(
      await host.succeed("tr '\\0' ' ' </proc/$(systemctl show --value -p MainPID changes)/cmdline"),
      "sleep 2000",
    );
  },
);

scenario("A switch leaves, restarts and reloads units as their X- keys ask for", async (host, t) => {
  const services = (argument: string, reload: string): Record<string, Service> => ({
    left: { argument, service: "X-RestartIfChanged=false" },
    manual: { argument, unit: "RefuseManualStop=true" },
    once: { argument, service: "X-StopIfChanged=false" },
    reloads: { service: `ExecReload=/bin/sh -c "echo ${reload} >>/run/reloaded"` },
    whole: {
      argument,
      service: 'X-ReloadIfChanged=true\nExecReload=/bin/sh -c "echo whole >>/run/reloaded"',
    },
    described: { unit: `Description=${argument}` },
  });
  await deploy(host, generation({ ...services("1000", "a"), kept: { unit: "X-StopOnRemoval=false" } }));
  const names = ["left", "manual", "reloads", "whole", "described", "kept"];
  const before = await runsOf(host, names);
  const once = await runOf(host, "once");
  const { exitCode, output } = await deploy(host, generation(services("2000", "b")));
  t.equal(exitCode, 0);
  t.same(await runsOf(host, names), before);
  t.not(await runOf(host, "once"), once);
  t.match(output, /^NOT restarting the following changed units: left\.service, manual\.service$/m);
  t.match(output, /^restarting the following units: once\.service$/m);
  t.match(output, /^reloading the following units: reloads\.service, whole\.service$/m);
  // What is reloaded is what the new generation says.
  t.same((await host.readFile("/run/reloaded")).trim().split("\n").sort(), ["b", "whole"]);
});

scenario("A template's instances follow the template", async (host, t) => {
  const configuration = (argument: string, more = "") => ({
    configuration: `{ pkgs, ... }: { systemd.units."each@.service".text = ''
      [Service]
      ExecStart=/bin/sleep ${argument}
      ${more}
    ''; }`,
  });
  await deploy(host, configuration("1000"));
  await host.succeed("systemctl start each@one.service");
  const before = await runOf(host, "each@one");
  await deploy(host, configuration("2000"));
  const after = await runOf(host, "each@one");
  t.ok(after);
  t.not(after, before);
  const { output } = await deploy(host, configuration("3000", "X-RestartIfChanged=false"));
  t.match(output, /NOT restarting the following changed units: each@one\.service/);
  t.equal(await runOf(host, "each@one"), after);
});

scenario("Units that are not of the generation are left alone", async (host, t) => {
  await deploy(host, generation({ mine: {} }));
  await host.succeed("systemd-run --unit=transient sleep 1000");
  await host.writeFile("/run/systemd/system/runtime.service", "[Service]\nExecStart=/bin/sleep 1000\n");
  await host.succeed("systemctl daemon-reload && systemctl start runtime.service");
  const names = ["transient", "runtime", "dbus", "systemd-journald"];
  const before = await runsOf(host, names);
  t.equal((await deploy(host, generation({}))).exitCode, 0);
  t.same(await runsOf(host, names), before);
});

scenario(
  "Accounts, directories and files of /etc are those of the generation, before its units start",
  async (host, t) => {
    const rest = `
    users.users.someone = { group = "someones"; home = "/var/lib/someone"; };
    users.groups.someones = { };
    systemd.tmpfiles.rules = [ "d /var/lib/someone 0750 someone someones -" ];
    environment.etc."some/file".text = "mine\\n";
    environment.etc."some/program" = { text = "#!/bin/sh\\necho run\\n"; executable = true; };`;
    const services = {
      asks: {
        service: "User=someone\nExecStartPre=/usr/bin/test -O /var/lib/someone -a -x /etc/some/program",
      },
    };
    const { exitCode } = await deploy(host, generation(services, rest));
    t.equal(exitCode, 0);
    t.equal(await host.readFile("/etc/some/file"), "mine\n");
    t.equal(await host.succeed("/etc/some/program"), "run\n");
    const id = await host.succeed("id someone; id root");
    t.match(id, /gid=\d+\(someones\)[\s\S]*uid=0\(root\)/);

    await deploy(host, generation({}));
    t.equal((await host.exec("id someone")).exitCode, 1);
    t.equal((await host.exec("test -e /etc/some/file || test -L /etc/some/file")).exitCode, 1);
    await deploy(host, generation(services, rest));
    t.equal(await host.succeed("id someone; id root"), id, "an account that comes back has the same numbers");
  },
);

scenario("A switch makes systemd forget failures and counts of restarts", async (host, t) => {
  const crashes = { argument: "wrong" };
  await deploy(host, generation({ crashes, stays: { service: "Restart=always\nRestartSec=0" } }));
  await host.succeed("systemctl kill --signal=KILL stays.service");
  await host.waitUntilSucceeds("test $(systemctl show --value -p NRestarts stays.service) = 1");
  await host.waitUntilSucceeds("systemctl is-failed crashes.service");
  await deploy(host, generation({ stays: { service: "Restart=always\nRestartSec=0" } }));
  t.equal(await host.succeed("systemctl show --value -p NRestarts stays.service"), "0\n");
  t.not((await host.exec("systemctl is-failed crashes.service")).exitCode, 0);
});

scenario(
  "A person's stop lasts over a switch only with a condition, since a switch starts what its targets want",
  async (host, t) => {
    const services = { plain: {}, conditional: { unit: "ConditionPathExists=!/var/lib/stopped" } };
    await deploy(host, generation(services));
    await host.writeFile("/var/lib/stopped", "");
    await host.succeed("systemctl stop plain.service conditional.service");
    const { exitCode } = await deploy(host, generation({ ...services, other: {} }));
    t.equal(exitCode, 0);
    t.ok(await runOf(host, "plain"));
    t.equal(await runOf(host, "conditional"), "");
  },
);
