import { rmSync } from "node:fs";
import t, { type Test } from "tap";
import { FakeHost, standIn } from "./fixtures/fake-host.ts";

function deployed(t: Test): { host: FakeHost; good: string; bad: string } {
  const host = new FakeHost(t);
  return { host, good: host.deploy(1, "good"), bad: host.deploy(2, "bad") };
}

t.test("a switch goes through the transient unit and ends with the target current", async (t) => {
  const { host, good, bad } = deployed(t);
  const generations = host.generations(t);
  t.same(await generations.switchTo(good, { id: "rb-1", from: bad }), { ok: true });
  t.same(host.facts, { profile: "system-1-link", boots: good, current: good });
  t.match(await generations.current(), { number: 1, path: good });
  t.equal(host.read("systemd-run").split("\n").filter(Boolean).length, 1);
});

t.test("without an order, what is current is left; what is current already needs no switch", async (t) => {
  const { host, good } = deployed(t);
  const generations = host.generations(t);
  t.same(await generations.switchTo(good), { ok: true });
  t.equal(host.current, good);
  t.same(await generations.switchTo(good), { ok: true });
  t.equal(host.read("systemd-run").split("\n").filter(Boolean).length, 1);
});

t.test("a switch that ended with an error is ok if the target is current, and only then", async (t) => {
  for (const [code, effect, ok] of [
    [4, "active", true],
    [1, "active", true],
    [1, "none", false],
    [100, "none", false],
  ] as const) {
    const { host, good, bad } = deployed(t);
    host.behave("switch", code, effect);
    const verdict = await host.generations(t).switchTo(good, { id: "rb-1", from: bad });
    t.equal(verdict.ok, ok, `exit ${code}, ${effect}`);
    if (!verdict.ok) t.match(verdict.problems.at(-1), `${bad} is current`);
  }
});

t.test("what made a switch impossible is named", async (t) => {
  const { host, good, bad } = deployed(t);
  host.behave("boot", 1);
  const verdict = await host.generations(t).switchTo(good, { id: "rb-1", from: bad });
  t.match(verdict, { ok: false, problems: [/vetoed/, /boot: refused or aborted \(exit 1\)/, /is current/] });
  t.equal(host.profile, "system-2-link");
});

t.test("a target that is gone or is no store path makes a verdict, not an exception", async (t) => {
  const { host, good, bad } = deployed(t);
  rmSync(good, { recursive: true });
  const generations = host.generations(t);
  t.match(await generations.switchTo(good, { id: "rb-1", from: bad }), { ok: false, problems: [/refused/] });
  t.match(await generations.switchTo("/etc/passwd"), { ok: false, problems: [/is not in/] });
  t.equal(host.current, bad);
});

t.test("where the rollback program or systemd is missing, that is the problem", async (t) => {
  const { host, good, bad } = deployed(t);
  const order = { id: "rb-1", from: bad };
  host.program("systemd-run", "echo 'Failed to connect to bus' >&2; exit 1");
  const refused = await host.generations(t).switchTo(good, order);
  t.match(refused, { ok: false, problems: [/Failed to connect to bus/] });
  const generations = host.generations(t);
  process.env.PATH = "/nowhere";
  t.match(await generations.switchTo(good, order), { ok: false, problems: [/ENOENT/] });
});

t.test("somebody else's switch is waited for", async (t) => {
  const { host, good, bad } = deployed(t);
  host.occupy("/nix/store/x/bin/switch-to-configuration switch");
  const verdict = host.generations(t).switchTo(good, { id: "rb-1", from: bad });
  await host.until(() => host.read("systemctl").split("\n").length > 3);
  t.equal(host.current, bad);
  host.remove("unit");
  t.same(await verdict, { ok: true });
});

t.test("somebody else's switch that lasts too long is a clear problem, and nothing is touched", async (t) => {
  const { host, good, bad } = deployed(t);
  host.occupy("/nix/store/x/bin/switch-to-configuration switch");
  const generations = host.generations(t, { turnMs: 30 });
  const verdict = await generations.switchTo(good, { id: "rb-1", from: bad });
  t.match(verdict, { ok: false, problems: [/another switch .* has been running/, /is current/] });
  t.same(host.log, []);
  host.remove("unit");
  t.same(await generations.switchTo(good, { id: "rb-1", from: bad }), { ok: true }, "tried again, it works");
});

t.test("what somebody else's switch has made current meanwhile is left alone", async (t) => {
  const { host, good, bad } = deployed(t);
  host.occupy("/nix/store/x/bin/switch-to-configuration switch");
  const verdict = host.generations(t).switchTo(good, { id: "rb-1", from: bad });
  await host.until(() => host.read("systemctl") !== "");
  const newer = host.deploy(3, "newer");
  host.remove("unit");
  t.match(await verdict, { ok: false, problems: [/overtaken/, /newer/, /newer is current/] });
  t.same(host.facts, { profile: "system-3-link", boots: newer, current: newer });
});

t.test("a name that somebody takes in the last moment is waited for too", async (t) => {
  const { host, good, bad } = deployed(t);
  const order = { id: "rb-1", from: bad };
  host.program("systemd-run", 'mkdir "$FAKE/unit"; echo "switch" >"$FAKE/unit/description"; exit 1');
  const verdict = host.generations(t).switchTo(good, order);
  await host.until(() => host.read("unit/description") !== "");
  host.remove("points/systemd-run");
  host.remove("unit");
  t.same(await verdict, { ok: true });
});

t.test("a watchd that comes up in mid-switch waits for the unit that its predecessor started", async (t) => {
  const { host, good, bad } = deployed(t);
  const order = { id: "rb-1", from: bad };
  host.on("boot", 'until [ -e "$FAKE/go-on" ]; do sleep 0.01; done');
  const first = host.generations(t);
  const abandoned = first.switchTo(good, order).catch((error: Error) => error.name);
  await host.until(() => host.log.includes("boot good 0"));
  await first.close();
  t.equal(await abandoned, "AbortError");
  const second = host.generations(t).switchTo(good, order);
  host.write("go-on", "");
  t.same(await second, { ok: true });
  t.equal(host.read("systemd-run").split("\n").filter(Boolean).length, 1, "it was not started twice");
});

t.test("a watchd that comes up after a failed switch tells its result first, then tries again", async (t) => {
  const { host, good, bad } = deployed(t);
  host.behave("boot", 1);
  await host.rollback({ from: bad, target: good });
  host.remove("behave/boot");
  const generations = host.generations(t);
  const order = { id: "rb-1", from: bad };
  t.match(await generations.switchTo(good, order), {
    ok: false,
    problems: [/vetoed/, /exit 1/, /is current/],
  });
  t.same(await generations.switchTo(good, order), { ok: true });
});

t.test("the result of another rollback says nothing", async (t) => {
  const { host, good, bad } = deployed(t);
  host.behave("boot", 1);
  await host.rollback({ id: "rb-0", from: bad, target: good });
  host.remove("behave/boot");
  t.same(await host.generations(t).switchTo(good, { id: "rb-1", from: bad }), { ok: true });
});

t.test(
  "a unit that is killed leaves no result, which is a problem; asked for again, it goes on",
  async (t) => {
    const { host, good, bad } = deployed(t);
    const order = { id: "rb-1", from: bad };
    host.on("boot", 'kill -9 "$(cat "$FAKE/pid")" "$PPID"');
    const generations = host.generations(t);
    const verdict = await generations.switchTo(good, order);
    t.match(verdict, { ok: false, problems: [/ended without a result/, /is current/] });
    host.remove("behave/on-boot");
    t.same(await generations.switchTo(good, order), { ok: true });
    t.match(host.read("unit-log"), "goes on after an interruption");
  },
);

t.test("systemd that does not answer for a moment is asked again", async (t) => {
  const { host, good, bad } = deployed(t);
  const silent = 'if rm "$FAKE/silent" 2>/dev/null; then echo "Failed to get properties" >&2; exit 1; fi';
  host.program("systemctl", `${silent}; exec ${standIn("systemctl")} "$@"`);
  host.write("silent", "");
  host.on("switch", 'touch "$FAKE/silent"; while [ -e "$FAKE/silent" ]; do sleep 0.01; done');
  t.same(await host.generations(t).switchTo(good, { id: "rb-1", from: bad }), { ok: true });
});
