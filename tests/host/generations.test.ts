/** Generations on a test host: what boots, what is left of a switch that was cut off, what garbage collection takes. */
import { build, deploy, setProfile, switchTo } from "./deploy.ts";
import { bootDefault, current, generation, runOf } from "./fixtures/services.ts";
import { scenario } from "./scenario.ts";

scenario(
  "`boot` sets what boots next, `test` what runs now, `dry-activate` and `check` nothing",
  async (host, t) => {
    const before = await current(host);
    const path = await build(host, generation({ new: {} }));
    await setProfile(host, path);
    for (const action of ["check", "dry-activate", "boot"] as const) {
      t.equal((await switchTo(host, path, action)).exitCode, 0);
      t.equal(await current(host), before);
      t.equal(await runOf(host, "new"), "");
      t.equal(await bootDefault(host), `default nixos-generation-${action === "boot" ? 2 : 1}.conf`);
    }
    const unlisted = await build(host, generation({ other: {} }));
    t.equal((await switchTo(host, unlisted, "test")).exitCode, 0);
    t.equal(await current(host), unlisted);
    t.equal((await switchTo(host, unlisted, "boot")).exitCode, 0);
    t.equal(
      await bootDefault(host),
      "default nixos-generation-2.conf",
      "only a generation of the profile can be booted",
    );
    await host.reboot();
    t.equal(await current(host), path);
  },
);

scenario("A switch that is killed half way is completed by the next one", async (host, t) => {
  const slow = generation({
    changes: { argument: "2000", service: "ExecStartPre=/bin/sleep 1000" },
    late: {},
  });
  await deploy(host, generation({ changes: {} }));
  const path = await build(host, slow);
  await setProfile(host, path);
  await host.succeed(`systemd-run --unit=half ${path}/bin/switch-to-configuration switch`);
  await host.waitUntilSucceeds("systemctl is-active changes.service | grep -q activating");
  await host.succeed("systemctl kill --signal=KILL half.service; systemctl stop changes.service");
  t.match(await host.readFile("/run/nixos/start-list"), /^changes\.service$/m);
  t.equal(await current(host), path);
  const { exitCode } = await deploy(host, generation({ changes: { argument: "2000" }, late: {} }));
  t.equal(exitCode, 0);
  t.ok(await runOf(host, "changes"));
});

scenario(
  "Garbage collection takes old generations, but not what is current, booted or rooted",
  async (host, t) => {
    const booted = await current(host);
    const [one, two, three] = [
      await deploy(host, generation({ one: {} })),
      await deploy(host, generation({ two: {} })),
      await deploy(host, generation({ three: {} })),
    ];
    await host.succeed(
      `mkdir -p /nix/var/nix/gcroots/daruma && ln -s ${one.path} /nix/var/nix/gcroots/daruma/`,
    );
    await host.succeed("nix-collect-garbage -d");
    const valid = async (path: string) =>
      (await host.exec(["nix-store", "--check-validity", path])).exitCode === 0;
    t.same(
      [await valid(booted), await valid(one.path), await valid(two.path), await valid(three.path)],
      [true, true, false, true],
    );
    t.equal(await host.succeed("ls -d /nix/var/nix/profiles/system-*-link | wc -l"), "1\n");
    t.equal((await host.exec(`nix-store --verify-path $(nix-store -qR ${one.path})`)).exitCode, 0);
    await host.succeed(["nix-env", "-p", "/nix/var/nix/profiles/system", "--set", one.path]);
    t.equal((await switchTo(host, one.path, "switch")).exitCode, 0);
    t.ok(await runOf(host, "one"));
  },
);

scenario("A file of the store that was changed does not verify", async (host, t) => {
  const { path } = await deploy(host, generation({ one: {} }));
  await host.succeed(`chmod u+w ${path}/units/one.service && echo '# changed' >>${path}/units/one.service`);
  const { exitCode, stderr } = await host.exec(["nix-store", "--verify-path", path]);
  t.equal(exitCode, 1);
  t.match(stderr, /was modified/);
});
