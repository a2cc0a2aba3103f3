/** The exit codes of the stand-in, and what state each leaves: those of switch-to-configuration-ng. */
import { build, deploy, switchTo } from "./deploy.ts";
import { bootDefault, current, generation, runOf, type Service } from "./fixtures/services.ts";
import { scenario } from "./scenario.ts";

scenario("Exit 1: a pre-switch check refuses, and nothing but the profile has moved", async (host, t) => {
  const before = await current(host);
  const refused = generation({ never: {} }, 'system.preSwitchChecks.mine = "echo called with $2; false";');
  for (const action of ["switch", "boot", "check", "test", "dry-activate"] as const) {
    const { exitCode, output } = await deploy(host, refused, action);
    t.equal(exitCode, 1);
    t.match(output, `called with ${action}`);
    t.match(output, "Pre-switch check 'mine' failed");
  }
  t.equal(await current(host), before);
  t.equal(await bootDefault(host), "default nixos-generation-1.conf");
  t.equal((await host.succeed("readlink /nix/var/nix/profiles/system")).trim(), "system-2-link");
  t.equal(await runOf(host, "never"), "");
  const path = await build(host, refused);
  const { exitCode } = await host.exec([
    "env",
    "NIXOS_NO_CHECK=1",
    `${path}/bin/switch-to-configuration`,
    "switch",
  ]);
  t.equal(exitCode, 0);
  t.ok(await runOf(host, "never"));
});

scenario(
  "Exit 1: a switch inhibitor that differs refuses a switch but not the next boot",
  async (host, t) => {
    const withDbus = (value: string) =>
      generation(
        { same: {} },
        `system.switch.inhibitors = { dbus-implementation = "${value}"; only-${value} = "1"; };`,
      );
    const first = await deploy(host, withDbus("dbus"));
    t.equal(first.exitCode, 0, "a key that only one of them has does not inhibit");
    const second = await deploy(host, withDbus("broker"));
    t.equal(second.exitCode, 1);
    t.match(second.output, "dbus-implementation : dbus -> broker");
    t.notMatch(second.output, "only-");
    t.equal(await current(host), first.path);
    t.equal((await switchTo(host, second.path, "boot")).exitCode, 0);
    t.equal(await current(host), first.path);
    await host.reboot();
    t.equal(await current(host), second.path);
    t.equal((await host.succeed("readlink -f /run/booted-system")).trim(), second.path);
    t.ok(await runOf(host, "same"));
  },
);

scenario("Exit 1: a boot loader that cannot be installed", async (host, t) => {
  const before = await current(host);
  const broken = 'system.build.installBootLoader = pkgs.writeShellScript "fails" "exit 3";';
  for (const action of ["switch", "boot"] as const) {
    const { exitCode, output } = await deploy(host, generation({ never: {} }, broken), action);
    t.equal(exitCode, 1);
    t.match(output, "Failed to install bootloader");
  }
  t.equal(await current(host), before);
  t.equal(
    (await deploy(host, generation({ never: {} }, broken), "test")).exitCode,
    0,
    "`test` installs none",
  );
});

scenario("Exit 1: another run of nixos-rebuild, or something that is no action", async (host, t) => {
  const path = await build(host, generation({ never: {} }));
  await host.succeed("systemd-run --unit=nixos-rebuild-switch-to-configuration sleep 1000");
  t.equal((await switchTo(host, path, "switch")).exitCode, 1);
  t.equal((await host.exec([`${path}/bin/switch-to-configuration`, "restart"])).exitCode, 1);
  t.equal((await host.exec([`${path}/bin/switch-to-configuration`])).exitCode, 1);
  const asNobody = ["setpriv", "--reuid=65534", `${path}/bin/switch-to-configuration`, "switch"];
  t.equal((await host.exec(asNobody)).exitCode, 1);
  t.not(await current(host), path);
});

scenario("Exit 2: activation fails, and yet the generation is current and its units run", async (host, t) => {
  const broken = 'system.activationScripts.mine = "false\\ntouch /run/went-on";';
  const { exitCode, path } = await deploy(host, generation({ runs: {} }, broken));
  t.equal(exitCode, 2);
  t.equal(await current(host), path);
  t.ok(await runOf(host, "runs"));
  await host.succeed("test -e /run/went-on");
  const both = await deploy(host, generation({ fails: { service: "ExecStartPre=/bin/false" } }, broken));
  t.equal(both.exitCode, 4, "4 hides 2");
});

scenario("Exit 4: the generation is current, and a unit failed or waits after a failure", async (host, t) => {
  // The switch looks once; it must not look before the unit has ended.
  const afterEndOf = (name: string): Service => ({
    service: `ExecStartPre=/bin/sh -c "until systemctl show -P SubState ${name} | grep -Ex 'failed|auto-restart'; do sleep 0.02; done"`,
  });
  for (const service of ["", "Restart=always\nRestartSec=1h"]) {
    const services = { fails: { argument: "wrong", service }, runs: afterEndOf("fails") };
    const { exitCode, path, output } = await deploy(host, generation(services));
    t.equal(exitCode, 4);
    t.match(output, /warning: the following units failed: fails\.service/);
    t.equal(await current(host), path);
    t.ok(await runOf(host, "runs"));
  }
  const ends = { argument: "0.01", service: "Restart=always\nRestartSec=1h" };
  const { exitCode } = await deploy(host, generation({ ends, runs: afterEndOf("ends") }));
  t.equal(exitCode, 0, "one that ended with 0 and waits for its restart has not failed");
});

scenario("Exit 4: a unit that does not start at all, and a dependency that fails", async (host, t) => {
  const services = (start: string, argument: string): Record<string, Service> => ({
    needed: { argument: "0", service: `Type=oneshot\nRemainAfterExit=true\nExecStartPre=${start}` },
    needs: { argument, unit: "Requires=needed.service\nAfter=needed.service" },
  });
  t.equal((await deploy(host, generation(services("/bin/true", "1000")))).exitCode, 0);
  const { exitCode, output } = await deploy(host, generation(services("/bin/false", "2000")));
  t.equal(exitCode, 4);
  t.match(output, "Failed to start needed.service");
  t.match(output, "Failed to start needs.service");
});

scenario("Exit 11: another switch holds the lock", async (host, t) => {
  const path = await build(host, generation({}));
  await host.succeed(
    "mkdir -p /run/nixos && systemd-run --unit=holder flock /run/nixos/switch-to-configuration.lock sleep 1000",
  );
  await host.waitUntilSucceeds("! flock --nonblock /run/nixos/switch-to-configuration.lock true");
  const { exitCode } = await host.exec([`${path}/bin/switch-to-configuration`, "switch"]);
  t.equal(exitCode, 11);
  await host.succeed("systemctl stop holder");
  t.equal((await host.exec([`${path}/bin/switch-to-configuration`, "switch"])).exitCode, 0);
});

scenario(
  "Exit 100: another init interface needs a reboot, which then brings the generation",
  async (host, t) => {
    const before = await current(host);
    const { exitCode, path } = await deploy(
      host,
      generation({ new: {} }, 'testHost.initInterfaceVersion = "systemd 3";'),
    );
    t.equal(exitCode, 100);
    t.equal(await current(host), before);
    t.equal(await bootDefault(host), "default nixos-generation-2.conf");
    await host.cutPower();
    t.equal(await current(host), path);
    t.ok(await runOf(host, "new"));
  },
);
