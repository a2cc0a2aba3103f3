import t from "tap";
import type { ProbeOutcome } from "../ports.ts";
import { probed, type Story, story } from "./fixtures/story.ts";

const sick: ProbeOutcome = { ok: false, latencyMs: 1, reason: "500" };
const waiting: ProbeOutcome = { ok: false, latencyMs: 1, reason: "503", dependency: "db" };
const well: ProbeOutcome = { ok: true, latencyMs: 1 };

const alone = () => story({ agents: { a: probed } });

function answers(s: Story, outcome: ProbeOutcome): Story {
  s.answers.set("a", outcome);
  return s;
}

t.test("two passing probes in a row prove a run; they come a few milliseconds apart", async (t) => {
  const s = alone();
  t.equal(s.agent("a").phase, "verifying");
  s.wait(5);
  t.equal(s.agent("a").phase, "verifying");
  s.wait(5);
  t.equal(s.agent("a").phase, "healthy");
});

t.test("without a health check a run proves itself by lasting", async (t) => {
  const s = story({ agents: { a: { startupMs: 2_000 } } });
  s.wait(1_999);
  t.equal(s.agent("a").phase, "verifying");
  s.wait(1);
  t.equal(s.agent("a").phase, "healthy");
  t.equal(s.asked("probe").length, 0);
});

t.test("failing probes do not count in the start-up time", async (t) => {
  const s = answers(alone(), sick).wait(999);
  t.equal(s.agent("a").phase, "verifying");
  t.equal(s.agent("a").incident, null);
  answers(s, well).healthy("a");
  t.equal(s.agent("a").incident, null);
});

t.test("a probe that was sent in the start-up time is excused however late it fails", async (t) => {
  const s = story({ agents: { a: { ...probed, health: { ...probed.health, failures: 1 } } } });
  s.holding("probe").wait(5);
  const runId = s.agent("a").run?.runId ?? "";
  s.wait(2_000).send({ type: "probed", agent: "a", runId, outcome: sick });
  t.equal(s.agent("a").phase, "verifying");
});

t.test("an agent that is not healthy by the end of its start-up time is stopped and restarted", async (t) => {
  const s = answers(alone(), sick);
  s.waitUntil(() => s.agent("a").incident !== null);
  t.equal(s.record("agent.unhealthy").details.becameHealthy, false);
  t.equal(s.agent("a").phase, "backoff");
});

t.test("a healthy agent fails with its third miss in a row, and not before", async (t) => {
  const s = answers(alone().healthy("a"), sick).wait(6_000);
  t.equal(s.agent("a").phase, "healthy");
  answers(s, well).wait(3_000);
  answers(s, sick).wait(6_000);
  t.equal(s.agent("a").phase, "healthy", "a pass begins the count anew");
  s.wait(3_000);
  t.equal(s.record("agent.unhealthy").details.failingProbes, 3);
});

/** Of every three checks two fail, or one. */
function unsteady(s: Story, passes: (check: number) => boolean, checks: number): Story {
  for (let check = 0; check < checks; check += 1) answers(s, passes(check) ? well : sick).wait(3_000);
  return s;
}

t.test("a check that fails two times of three is no health, though never three times in a row", async (t) => {
  const s = unsteady(alone().healthy("a"), (check) => check % 3 === 2, 14);
  t.match(s.record("agent.unhealthy").details, { missed: 10, ofChecks: 20, becameHealthy: true });
  answers(s, well).healthy("a");
  t.same(s.agent("a").probe.misses, [], "another run begins anew");
});

t.test("a check that fails one time of four is borne, but proves no generation", async (t) => {
  const s = unsteady(alone().healthy("a"), (check) => check % 4 !== 0, 200);
  t.equal(s.agent("a").incident, null);
  t.same(s.state.knownGood, []);
  answers(s, well).wait(110_000);
  t.match(s.state.knownGood, [{ path: "/one" }], "once it is steady");
});

t.test("a miss now and then is borne, and proves a generation", async (t) => {
  const s = unsteady(alone().healthy("a"), (check) => check % 10 !== 0, 60);
  t.equal(s.agent("a").incident, null);
  t.match(s.state.knownGood, [{ path: "/one" }]);
});

t.test("who takes more misses in a row may miss more of them: half of twice as many", async (t) => {
  const patient = { ...probed, health: { ...probed.health, failures: 30 } };
  const s = unsteady(story({ agents: { a: patient } }).healthy("a"), (check) => check % 2 === 1, 55);
  t.equal(s.agent("a").phase, "healthy");
  unsteady(s, (check) => check % 2 === 1, 10);
  t.match(s.record("agent.unhealthy").details, { missed: 30, ofChecks: 60 });
});

t.test("a probe result that comes twice proves nothing twice", async (t) => {
  const s = alone().wait(5);
  const runId = s.agent("a").run?.runId ?? "";
  s.send({ type: "probed", agent: "a", runId, outcome: well });
  t.equal(s.agent("a").phase, "verifying");
});

t.test("the answer about an earlier run says nothing about this one", async (t) => {
  const s = alone().healthy("a").holding("probe").wait(3_000);
  const runId = s.agent("a").run?.runId ?? "";
  s.exit("a").wait(100);
  for (let time = 0; time < 3; time += 1) s.send({ type: "probed", agent: "a", runId, outcome: well });
  t.equal(s.agent("a").phase, "verifying");
});

t.test("an agent that names what it waits for is left alone, with an alert", async (t) => {
  const s = answers(alone().healthy("a"), waiting);
  s.told();
  s.wait(60_000);
  t.equal(s.agent("a").phase, "healthy");
  t.equal(s.agent("a").waitsFor, "db");
  t.same(s.told(), ["dependency.down", "alert.raise"]);
  answers(s, well).wait(3_000);
  t.same(s.told(), ["dependency.up"]);
});

t.test("an agent that waits for something from its start on is not called unhealthy", async (t) => {
  const s = answers(alone(), waiting).wait(600_000);
  t.equal(s.agent("a").phase, "verifying");
  t.equal(s.asked("start").length, 1);
});

t.test("probing goes on at the declared pace once the agent is healthy", async (t) => {
  const s = alone().healthy("a");
  const before = s.asked("probe").length;
  s.wait(30_000);
  t.equal(s.asked("probe").length - before, 10);
});
