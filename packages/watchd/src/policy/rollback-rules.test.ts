import t from "tap";
import { type AgentPlan, probed, type Story, story } from "./fixtures/story.ts";

/** A fleet of `a` and `b` whose first generation is known-good. */
function proven(plan: AgentPlan = {}): Story {
  return story({ agents: { a: { digest: "a-1", ...plan }, b: "b-1" } }).proven();
}

/** The second generation changes `a`, and it has never worked there. */
function broken(s: Story, plan: AgentPlan = {}): Story {
  return s.deploy("/two", { agents: { a: { digest: "a-2", ...plan }, b: "b-1" } });
}

const rollbacks = (s: Story) => s.records.filter(({ action }) => action === "generation.rollback");
const whyNot = (s: Story) =>
  (s.record("agent.hold").details.noRollback as string[]).map((why) => why.split(":")[0]);

t.test("a deploy that breaks an agent is rolled back after `attempts` failures, by itself", async (t) => {
  const s = broken(proven()).exits("a", 2);
  t.same(rollbacks(s), []);
  s.exits("a", 1);
  t.match(rollbacks(s), [{ subject: "/one", details: { by: "watchd", from: "/two", agent: "a" } }]);
  t.equal(s.current, "/one");
  t.same(s.state.quarantine, [{ ...s.state.quarantine[0], path: "/two", agent: "a", digest: "a-2" }]);
  s.healthy("a", "b");
  t.equal(s.record("recovery.verified").details.rolledBack, true);
  t.equal(s.state.rollback, null);
});

t.test("an agent that never becomes healthy rolls back however slowly it fails", async (t) => {
  const slow = { ...probed, startupMs: 500_000 };
  const s = proven();
  s.answers.set("a", { ok: false, latencyMs: 1, reason: "500" });
  broken(s, slow).waitUntil(() => s.state.generation?.path === "/one");
  t.equal(s.mono > 1_500_000, true);
});

t.test("a deploy that adds a broken agent is rolled back, and the agent is gone", async (t) => {
  const s = proven()
    .deploy("/two", { agents: { a: "a-1", b: "b-1", c: "c-1" } })
    .exits("c", 3);
  t.equal(s.current, "/one");
  t.same(Object.keys(s.state.agents), ["a", "b"]);
});

t.test("an agent that the deploy did not touch never rolls it back", async (t) => {
  const s = broken(proven()).healthy("a", "b").exits("b", 3);
  t.same(rollbacks(s), []);
  t.same(whyNot(s), ["deploy-changed-agent"]);
  t.equal(s.agent("b").held, true);
});

t.test(
  "an agent that the deploy did not touch rolls it back where the host itself has changed",
  async (t) => {
    const s = proven().deploy("/two", { agents: { a: "a-1", b: "b-1" }, hostDigest: "host-2" });
    s.exits("b", 3);
    t.equal(s.current, "/one");
  },
);

t.test(
  "what failed before the switch is not held against the deploy, even if the incident is over",
  async (t) => {
    const s = proven().exits("a", 2).healthy("a");
    s.deploy("/two", { agents: { a: "a-1", b: "b-1" }, hostDigest: "host-2" }).exits("a", 1);
    t.same(rollbacks(s), []);
    t.same(whyNot(s), ["restarts-exhausted"]);
    s.exits("a", 2);
    t.equal(s.current, "/one");
  },
);

t.test("a failure that restarts did not help against before the deploy is not the deploy's", async (t) => {
  // The host differs, and yet there is no way back: the only known-good generation is the one before it.
  const s = proven().exits("a", 3);
  t.equal(s.agent("a").held, true);
  broken(s).exits("a", 3);
  t.same(rollbacks(s), []);
  t.same(whyNot(s), ["began-after-switch"]);
  s.healthy("a").exits("a", 3);
  t.equal(s.current, "/one", "a new incident may");
});

t.test("a deploy in the midst of an outage that breaks the agent is rolled back", async (t) => {
  const s = proven().exits("a", 12, 75);
  const { incident } = s.agent("a");
  broken(s).exits("a", 4, 75);
  t.same(rollbacks(s), [], "the outage goes on");
  s.exits("a", 3);
  t.equal(s.current, "/one");
  t.match(rollbacks(s), [{ incident: incident?.id }]);
});

t.test("a deploy just after a crash is rolled back all the same if it breaks the agent", async (t) => {
  const s = broken(proven().exits("a", 1)).exits("a", 3);
  t.equal(s.current, "/one");
});

t.test("an agent that a later deploy did not change has no new failure", async (t) => {
  const s = broken(proven().exits("a", 1)).exits("a", 1);
  s.deploy("/three", { agents: { a: "a-2", b: "b-1" }, hostDigest: "host-2" }).exits("a", 3);
  t.same(rollbacks(s), []);
  t.ok(whyNot(s).includes("began-after-switch"));
});

t.test("there is no rollback without a generation that was proven", async (t) => {
  const s = broken(story({ agents: { a: "a-1", b: "b-1" } }).healthy("a")).exits("a", 3);
  t.same(whyNot(s), ["known-good-target", "deploy-changed-agent"]);
  t.equal(s.record("alert.raise").details.kind, "held");
});

t.test("exits with 75 never lead to a rollback, however many", async (t) => {
  const s = broken(proven()).exits("a", 20, 75);
  t.same(rollbacks(s), []);
  t.equal(s.current, "/two");
});

t.test("an agent that was waiting for something when it failed does not roll back", async (t) => {
  const s = broken(proven(), probed).exits("a", 2);
  s.answers.set("a", { ok: false, latencyMs: 1, reason: "503", dependency: "db" });
  s.waitUntil(() => s.agent("a").waitsFor !== null).exit("a");
  t.same(whyNot(s), ["fault-not-external"]);
});

t.test("exits whose cause nobody saw are no evidence against a deploy", async (t) => {
  const s = broken(proven());
  for (let time = 0; time < 4; time += 1) {
    s.waitUntil(() => s.agent("a").run !== null).end("a", { kind: "unknown" });
  }
  t.equal(s.agent("a").held, true);
  t.same(rollbacks(s), []);
});

t.test("the budget of a generation is spent once, and a person can renew it", async (t) => {
  const s = broken(proven()).exits("a", 3).healthy("a");
  s.switchTo("/two").exits("a", 3);
  t.same(whyNot(s), ["budget-left"]);
  t.equal(s.current, "/two");
  s.send({ type: "operator-allow", path: "/two" }).exits("a", 1);
  t.equal(s.current, "/one");
});

t.test("without a budget there are no automatic rollbacks", async (t) => {
  const s = proven();
  s.deploy("/two", { agents: { a: "a-2", b: "b-1" }, watchdog: { rollbackBudget: 0 } }).exits("a", 3);
  t.same(whyNot(s), ["budget-left"]);
});

t.test("an agent whose escalation does not say so never rolls back", async (t) => {
  const s = broken(proven(), { escalate: ["alert"] }).exits("a", 3);
  t.same(rollbacks(s), []);
  t.equal(s.agent("a").held, true);
});

t.test("after a rollback the same incident never leads to a second one", async (t) => {
  const s = proven()
    .deploy("/mid", { agents: { a: "a-mid", b: "b-1" } })
    .proven();
  broken(s).exits("a", 3);
  t.equal(s.current, "/mid");
  s.exits("a", 3);
  t.equal(rollbacks(s).length, 1);
  t.ok(whyNot(s).includes("once-per-incident"));
  s.healthy("a").exits("a", 3);
  t.equal(s.current, "/one", "a new incident may, to what is older still");
});

t.test("a rollback never goes to what was promoted later, nor back and forth", async (t) => {
  const s = proven()
    .deploy("/two", { agents: { a: "a-2", b: "b-1" } })
    .proven();
  s.send({ type: "operator-rollback", target: "/one", targetNumber: 1 }).healthy("a").exits("a", 3);
  t.equal(s.current, "/one");
  t.same(whyNot(s), ["known-good-target", "deploy-changed-agent"]);
});

t.test("the order of promotions counts, whatever the wall clock says", async (t) => {
  const s = proven();
  s.wall -= 86_400_000;
  s.deploy("/two", { agents: { a: "a-2", b: "b-1" } }).proven();
  const [newest, oldest] = s.state.knownGood;
  t.ok((newest?.promotedAt ?? 0) > (oldest?.promotedAt ?? 0));
  s.exits("a", 3);
  t.equal(s.current, "/one");
});

t.test("an agent that worked here and cannot be started any more is no reason to go back", async (t) => {
  const s = broken(proven()).healthy("a").holding("start");
  s.exit("a");
  for (let start = 0; start < 5; start += 1) {
    s.waitUntil(() => s.agent("a").startingRun !== null);
    const runId = s.agent("a").startingRun?.runId ?? "";
    s.send({ type: "start-failed", agent: "a", runId, code: "AGENT_E_PORT_IN_USE", message: "taken" });
  }
  t.same(rollbacks(s), []);
  t.match(whyNot(s), ["restarts-exhausted"]);
});

t.test(
  "one exit with 78 is enough where the deploy brought the agent, and it was never healthy",
  async (t) => {
    const s = broken(proven()).exits("a", 1, 78);
    t.equal(s.current, "/one");
    t.match(s.record("recovery.escalate").details.because, [
      /^policy/,
      /^restarts-exhausted: says that its configuration/,
    ]);
  },
);

t.test(
  "an exit with 78 of an agent that was healthy in this generation is no reason to leave it",
  async (t) => {
    const s = broken(proven()).healthy("a").exit("a", 78);
    t.equal(s.current, "/two");
    t.equal(s.agent("a").phase, "failed");
  },
);
