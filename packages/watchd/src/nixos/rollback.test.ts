import { chmodSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { FakeHost } from "./fixtures/fake-host.ts";

/** A host whose second generation is current and whose first is the one to go back to. */
function deployed(t: Test): { host: FakeHost; good: string; bad: string } {
  const host = new FakeHost(t);
  return { host, good: host.deploy(1, "good"), bad: host.deploy(2, "bad") };
}

t.test("a rollback sets what boots next, then switches, and leaves a result", async (t) => {
  const { host, good, bad } = deployed(t);
  const { code } = await host.rollback({ from: bad, target: good });
  t.equal(code, 0);
  t.same(host.facts, { profile: "system-1-link", boots: good, current: good });
  t.same(host.log, ["nix-env --switch-generation 1", "boot good 0", "switch good 0"]);
  const result = host.resultOf();
  t.match(result, {
    id: "rb-1",
    from: bad,
    target: good,
    bootExit: 0,
    switchExit: 0,
    currentAfter: good,
    verdict: "switched",
    problems: [],
  });
  t.ok(Math.abs((result?.finishedAt ?? 0) - Date.now()) < 60_000);
  t.equal(host.read("state/rollback.json.begun"), "");
});

t.test("a target that is no generation any more becomes a new one", async (t) => {
  const { host, good, bad } = deployed(t);
  rmSync(`${host.site.profile}-1-link`);
  await host.rollback({ from: bad, target: good });
  t.same(host.facts, { profile: "system-3-link", boots: good, current: good });
  t.equal(host.log[0], "nix-env --set good");
});

t.test(
  "of several numbers of the target the newest is taken, and never simply the next lower one",
  async (t) => {
    const host = new FakeHost(t);
    const good = host.deploy(8, "good");
    host.addGeneration(9, host.build("between"));
    host.addGeneration(10, good);
    const bad = host.deploy(11, "bad");
    host.addGeneration(12, host.build("later"));
    await host.rollback({ from: bad, target: good });
    t.equal(host.profile, "system-10-link");
  },
);

t.test("asked for again under the same id, a rollback that was made changes nothing", async (t) => {
  const { host, good, bad } = deployed(t);
  await host.rollback({ from: bad, target: good });
  const [log, result] = [host.log, host.read("state/rollback.json")];
  t.equal((await host.rollback({ from: bad, target: good })).code, 0);
  t.same(host.log, log);
  t.equal(host.read("state/rollback.json"), result);
});

t.test("where somebody has switched elsewhere meanwhile, nothing is touched", async (t) => {
  const { host, good, bad } = deployed(t);
  const newer = host.deploy(3, "newer");
  t.equal((await host.rollback({ from: bad, target: good })).code, 1);
  t.same(host.facts, { profile: "system-3-link", boots: newer, current: newer });
  t.same(host.log, []);
  t.match(host.resultOf(), { verdict: "overtaken", bootExit: null, switchExit: null, currentAfter: newer });
});

t.test("a target that cannot be switched to is refused before anything is touched", async (t) => {
  const breakages: Record<string, (good: string) => void> = {
    "it is gone": (good) => rmSync(good, { recursive: true }),
    "it has no nixos-version": (good) => rmSync(join(good, "nixos-version")),
    "it has no switch-to-configuration": (good) =>
      chmodSync(join(good, "bin/switch-to-configuration"), 0o644),
    "it has no Daruma": (good) => rmSync(join(good, "etc/daruma/host.json")),
  };
  for (const [name, breakTarget] of Object.entries(breakages)) {
    const { host, good, bad } = deployed(t);
    breakTarget(good);
    t.equal((await host.rollback({ from: bad, target: good })).code, 1, name);
    t.same(host.facts, { profile: "system-2-link", boots: bad, current: bad }, name);
    t.same(host.log, [], name);
    t.equal(host.resultOf()?.verdict, "refused", name);
    t.equal(host.resultOf()?.problems.length, name === "it is gone" ? 3 : 1, name);
  }
});

t.test(
  "a target that Nix does not know as valid is refused before nix-env could try to fetch it",
  async (t) => {
    const { host, good, bad } = deployed(t);
    host.program("nix-store", "exit 1");
    t.equal((await host.rollback({ from: bad, target: good })).code, 1);
    t.equal(host.resultOf()?.verdict, "refused");
    t.same(host.log, []);
  },
);

t.test("a veto of the target's own checks puts the profile back to where it was", async (t) => {
  const { host, good, bad } = deployed(t);
  // `nixos-rebuild boot` of yet another generation: that, and not what runs, is what was there before.
  const pending = host.build("pending");
  host.addGeneration(3, pending);
  host.behave("boot", 1);
  t.equal((await host.rollback({ from: bad, target: good })).code, 1);
  t.same(host.facts, { profile: "system-3-link", boots: pending, current: bad });
  t.match(host.resultOf(), { verdict: "vetoed", bootExit: 1, switchExit: null, currentAfter: bad });
  t.notOk(host.log.some((line) => line.startsWith("switch")));
});

t.test("what a run that ended could not clear away is not taken for an interruption", async (t) => {
  const { host, good, bad } = deployed(t);
  host.behave("boot", 1);
  await host.rollback({ from: bad, target: good });
  host.write("state/rollback.json.begun", `id rb-1\nnumber 1\npath ${good}\n`);
  await host.rollback({ from: bad, target: good });
  t.equal(host.profile, "system-2-link");
});

t.test("an interruption of another rollback is none of this one", async (t) => {
  const { host, good, bad } = deployed(t);
  host.behave("boot", 1);
  host.write("state/rollback.json.begun", `id rb-0\nnumber 1\npath ${good}\n`);
  await host.rollback({ from: bad, target: good });
  t.equal(host.profile, "system-2-link");
});

t.test("a boot entry that is not set in time puts the profile back", async (t) => {
  const { host, good, bad } = deployed(t);
  host.on("boot", "exec tail -f /dev/null");
  await host.rollback({ from: bad, target: good }, ["--boot-seconds", "1"]);
  t.same(host.facts, { profile: "system-2-link", boots: bad, current: bad });
  t.match(host.resultOf(), { verdict: "failed", bootExit: 124, switchExit: null });
});

t.test("exit codes of the switch are read by what is current afterwards", async (t) => {
  const rows = [
    { code: 0, effect: "active", verdict: "switched", switches: 1 },
    { code: 2, effect: "active", verdict: "switched", switches: 1 },
    { code: 4, effect: "active", verdict: "switched", switches: 1 },
    // An internal abort in the middle: a second switch goes on with what the first one left.
    { code: 1, effect: "active", verdict: "switched", switches: 2 },
    { code: 1, effect: "none", verdict: "failed", switches: 2 },
    { code: 11, effect: "none", verdict: "failed", switches: 4 },
    { code: 22, effect: "none", verdict: "failed", switches: 2 },
    { code: 100, effect: "none", verdict: "reboot-needed", switches: 1 },
  ] as const;
  for (const { code, effect, verdict, switches } of rows) {
    const { host, good, bad } = deployed(t);
    host.behave("switch", code, effect);
    const ended = await host.rollback({ from: bad, target: good });
    const name = `exit ${code}, ${effect}`;
    t.equal(ended.code, verdict === "switched" ? 0 : 1, name);
    t.match(host.resultOf(), { verdict, bootExit: 0, switchExit: code }, name);
    t.equal(host.resultOf()?.problems.length === 0, code === 0, name);
    t.equal(host.log.filter((line) => line.startsWith("switch")).length, switches, name);
    // The boot entry was set before: whatever became of the switch, a reboot ends well.
    const current = effect === "active" ? good : bad;
    t.same(host.facts, { profile: "system-1-link", boots: good, current }, name);
  }
});

t.test("a switch that hangs is ended, and judged by what is current", async (t) => {
  const { host, good, bad } = deployed(t);
  host.on("switch", "exec tail -f /dev/null");
  await host.rollback({ from: bad, target: good }, ["--switch-seconds", "1"]);
  t.match(host.resultOf(), { verdict: "failed", bootExit: 0, switchExit: 124 });
  t.same(host.facts, { profile: "system-1-link", boots: good, current: bad });
});

t.test("switch inhibitors that differ make a refused switch one that needs a reboot", async (t) => {
  const { host, good, bad } = deployed(t);
  writeFileSync(join(good, "switch-inhibitors"), '{"dbus-implementation":"dbus"}');
  writeFileSync(join(bad, "switch-inhibitors"), '{"dbus-implementation":"broker"}');
  host.behave("switch", 1);
  t.equal((await host.rollback({ from: bad, target: good })).code, 1);
  t.match(host.resultOf(), { verdict: "reboot-needed", bootExit: 0, switchExit: 1 });
  t.same(host.facts, { profile: "system-1-link", boots: good, current: bad });
  t.equal(host.log.filter((line) => line.startsWith("switch")).length, 1);
});

t.test("a lock that another switch holds is waited for", async (t) => {
  const { host, good, bad } = deployed(t);
  host.write("behave/locked", "2\n");
  t.equal((await host.rollback({ from: bad, target: good })).code, 0);
  t.equal(host.current, good);
  t.equal(host.log.filter((line) => line.startsWith("boot")).length, 3);
});

t.test("a lock that is not let go ends the rollback with the profile put back", async (t) => {
  const { host, good, bad } = deployed(t);
  host.write("behave/locked", "1000\n");
  t.equal((await host.rollback({ from: bad, target: good })).code, 1);
  t.match(host.resultOf(), { verdict: "failed", bootExit: 11 });
  t.same(host.facts, { profile: "system-2-link", boots: bad, current: bad });
});

t.test("what another switch makes current while its lock is waited for stays current", async (t) => {
  const { host, good, bad } = deployed(t);
  const newer = host.build("newer");
  host.write("behave/locked", "1\n");
  host.on("locked", `ln -s ${newer} $FAKE/run/.other; mv -T $FAKE/run/.other $FAKE/run/current-system`);
  t.equal((await host.rollback({ from: bad, target: good })).code, 1);
  t.same(host.facts, { profile: "system-2-link", boots: bad, current: newer });
  t.match(host.resultOf(), { verdict: "overtaken", bootExit: null, currentAfter: newer });
});

t.test("a profile that somebody else has moved meanwhile is not put back over their choice", async (t) => {
  const { host, good, bad } = deployed(t);
  host.behave("boot", 1);
  host.on("boot", "ln -sfn system-9-link $FAKE/profiles/system");
  await host.rollback({ from: bad, target: good });
  t.equal(host.profile, "system-9-link");
});

t.test("a result that cannot be written does not keep the machine from going back", async (t) => {
  const { host, good, bad } = deployed(t);
  host.remove("state");
  t.equal((await host.rollback({ from: bad, target: good })).code, 0);
  t.same(host.facts, { profile: "system-1-link", boots: good, current: good });
});

t.test("what runs already may be switched to again, to undo what others have changed since", async (t) => {
  const { host, bad } = deployed(t);
  t.equal((await host.rollback({ from: bad, target: bad })).code, 0);
  t.same(host.facts, { profile: "system-2-link", boots: bad, current: bad });
  t.same(host.log, ["boot bad 0", "switch bad 0"]);
  t.match(host.resultOf(), { verdict: "switched", problems: [] });
});

t.test("arguments that are missing, unknown or unusable are refused", async (t) => {
  const { host, good, bad } = deployed(t);
  const rows: readonly (readonly string[])[] = [
    [],
    host.arguments({ from: bad, target: `${good}/bin` }),
    host.arguments({ from: bad, target: host.site.profile }),
    host.arguments({ from: bad, target: good, id: 'a"b' }),
    host.arguments({ from: bad, target: `${good} x` }),
    [...host.arguments({ from: bad, target: good }), "--switch-seconds", "soon"],
    [...host.arguments({ from: bad, target: good }), "--switch-seconds"],
    [...host.arguments({ from: bad, target: good }), "--force", "yes"],
  ];
  for (const args of rows)
    t.equal((await host.run(host.site.rollback, args)).code, 2, args.slice(-4).join(" "));
  t.same(host.log, []);
  t.equal(host.resultOf(), null);
});

t.test("--launch hands all of it to a transient unit with nixos-rebuild's name", async (t) => {
  const { host, good, bad } = deployed(t);
  t.equal((await host.rollback({ from: bad, target: good }, ["--launch"])).code, 0);
  await host.until(() => !host.switching);
  t.equal(host.current, good);
  const [call = ""] = host.read("systemd-run").split("\n");
  t.match(call, "--unit=nixos-rebuild-switch-to-configuration.service --description=Daruma rollback rb-1");
  t.match(call, "--collect --no-ask-password --quiet --service-type=exec --property=RuntimeMaxSec=");
});

t.test(
  "--launch is refused while the name is in use, and not hindered by a failed unit that kept it",
  async (t) => {
    const { host, good, bad } = deployed(t);
    host.write("unit-failed", "");
    await host.rollback({ from: bad, target: good }, ["--launch"]);
    await host.until(() => !host.switching);
    t.equal(host.current, good);
    host.occupy("/nix/store/x/bin/switch-to-configuration switch");
    t.equal((await host.rollback({ from: good, target: bad }, ["--launch"])).code, 1);
    t.equal(host.current, good);
  },
);
