/**
 * What other supervisors of agents got wrong, as stories that must end otherwise here. Each is named after what it prevents. What
 * takes processes to be wrong about (a stop that ends only the leader, output that nobody reads, a heartbeat that is refused for
 * its size) is tried with processes: tests/host/detectors.test.ts, processes/log-files.test.ts, agent-api/agent-api.test.ts.
 */
import t from "tap";
import { type AgentPlan, probed, type Story, story } from "./fixtures/story.ts";

/** A fleet of `a` and `b` whose first generation is known-good. */
function proven(plan: AgentPlan = {}): Story {
  return story({ agents: { a: { digest: "a-1", ...plan }, b: "b-1" } }).proven();
}

/** The second generation changes `a`. */
function changed(s: Story, plan: AgentPlan = {}): Story {
  return s.deploy("/two", { agents: { a: { digest: "a-2", ...plan }, b: "b-1" } });
}

const rollbacks = (s: Story) => s.asked("rollback").map(({ from, target }) => `${from} -> ${target}`);
const sick = { ok: false, latencyMs: 1, reason: "500" } as const;

t.test(
  "the watcher is restarted by the very deploy that breaks an agent, and does not forget that it is on probation",
  async (t) => {
    const s = changed(proven()).boot().exits("a", 2).boot().exits("a", 1);
    t.equal(s.current, "/one");
  },
);

t.test("a rollback goes to what was proven, never to whatever came before", async (t) => {
  const s = changed(proven()).deploy("/three", { agents: { a: "a-3", b: "b-1" } });
  s.exits("a", 3);
  t.same(rollbacks(s), ["/three -> /one"], "past the second, which nobody has proven");
});

t.test("a repeated rollback does not walk further back", async (t) => {
  const s = proven()
    .deploy("/mid", { agents: { a: "a-mid", b: "b-1" } })
    .proven();
  changed(s).exits("a", 3);
  t.equal(s.current, "/mid");
  s.exits("a", 20);
  t.equal(s.current, "/mid");
  t.same(rollbacks(s), ["/two -> /mid"]);
});

t.test("a watcher that goes on failing after its rollback is not rolled back every 30 seconds", async (t) => {
  const s = changed(proven(probed), probed);
  s.answers.set("a", sick);
  s.wait(24 * 3_600_000);
  t.equal(rollbacks(s).length, 1);
  t.equal(s.agent("a").held, true, "it is tried again, at the longest delay");
  t.ok(s.records.some(({ action, details }) => action === "alert.raise" && details.kind === "held"));
});

t.test("no rollback follows upon one restart", async (t) => {
  const s = changed(proven()).exits("a", 2).healthy("a").wait(60_000);
  t.same(rollbacks(s), []);
});

t.test("a dead upstream does not roll the host back, however it shows", async (t) => {
  const exits = changed(proven()).exits("a", 30, 75);
  t.same(rollbacks(exits), []);
  const answers = changed(proven(probed), probed);
  answers.answers.set("a", { ...sick, dependency: "api.example.com" });
  answers.wait(24 * 3_600_000);
  t.same(rollbacks(answers), []);
  t.equal(answers.agent("a").waitsFor, "api.example.com");
});

t.test("a rollback that failed is not called one that was made", async (t) => {
  const s = changed(proven().holding("rollback")).exits("a", 3);
  s.failRollback("no space left");
  t.ok(s.records.some(({ action }) => action === "generation.rollback-failed"));
  t.notOk(s.records.some(({ action }) => action === "generation.rolled-back"));
  t.same(s.state.quarantine, [], "nothing was left");
  t.ok(s.records.some(({ action, details }) => action === "alert.raise" && details.kind === "held"));
});

t.test("a wall clock that is set ends no window, no backoff and no probation", async (t) => {
  const year = 365 * 86_400_000;
  const s = story({ agents: { a: "a-1" }, watchdog: { probationMs: 60_000 } }).healthy("a");
  s.wall += year;
  s.wait(58_000);
  t.equal(s.state.promotion, "pending", "the clock that was set forward did not end the probation");
  s.proven();
  s.exits("a", 2);
  s.wall -= 2 * year;
  s.waitUntil(() => s.agent("a").run !== null).exit("a");
  t.equal(s.agent("a").held, true, "the failures before are still in the window");
});

t.test("a slow agent holds up no other: each is watched by itself", async (t) => {
  const s = story({ agents: { slow: probed, a: probed } })
    .healthy("slow", "a")
    .holding("probe");
  s.wait(3_000);
  const { runId = "" } = s.agent("a").run ?? {};
  const asked = s.held.filter(({ type }) => type === "probe").length;
  s.send({ type: "probed", agent: "a", runId, outcome: { ok: true, latencyMs: 1 } }).wait(3_000);
  t.equal(asked, 2);
  t.equal(s.held.filter((each) => each.type === "probe" && each.agent === "a").length, 2, "and goes on");
});

t.test(
  "what was not deployed is no reason to roll back: an agent that starts to fail by itself is held",
  async (t) => {
    const s = proven()
      .deploy("/two", { agents: { a: "a-1", b: "b-2" } })
      .healthy("a", "b");
    s.exits("a", 10);
    t.same(rollbacks(s), []);
    t.equal(s.agent("a").held, true);
  },
);

t.test("an answer with status 200 from an agent that is dead inside is found by its silence", async (t) => {
  const plan = { ...probed, heartbeat: { through: "http", everyMs: 5_000, silenceMs: 15_000 } } as const;
  const s = story({ agents: { a: plan } })
    .healthy("a")
    .wait(30_000);
  t.equal(s.record("agent.hang").details.cause, "hang");
});

t.test("health that comes and goes is found, though it never fails three times in a row", async (t) => {
  const s = story({ agents: { a: probed } }).healthy("a");
  for (let check = 0; check < 20; check += 1) {
    s.answers.set("a", check % 2 === 0 ? sick : { ok: true, latencyMs: 1 });
    s.wait(3_000);
  }
  t.match(s.record("agent.unhealthy").details, { cause: "unhealthy", missed: 10, ofChecks: 20 });
});

t.test("an agent that takes more than it may is found while it still answers", async (t) => {
  const s = story({ agents: { a: { ...probed, limits: { memoryBytes: 1_000 } } } }).healthy("a");
  s.uses("a", { memoryBytes: 2_000 });
  t.equal(s.record("agent.over-memory").details.cause, "resource");
});

t.test("nobody is killed for how long a job takes", async (t) => {
  const s = story({ agents: { a: probed, worker: {} } }).healthy("a", "worker");
  s.wait(48 * 3_600_000);
  t.same(s.asked("stop"), []);
});

t.test("an agent that could not be started is not left down for good", async (t) => {
  const s = story({ agents: { a: { escalate: ["alert"] } } })
    .exit("a")
    .holding("start");
  for (let time = 0; time < 100; time += 1) {
    s.waitUntil(() => s.held.length > 0);
    for (const command of s.held.splice(0))
      if (command.type === "start")
        s.send({
          type: "start-failed",
          agent: "a",
          runId: command.runId,
          code: "AGENT_E_START_FAILED",
          message: "no such file or directory",
        });
  }
  t.ok(s.records.some(({ action, details }) => action === "alert.raise" && details.kind === "held"));
  s.holding().healthy("a");
  t.equal(s.agent("a").incident, null);
});
