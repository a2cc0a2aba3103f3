import t from "tap";
import { type AgentPlan, type Story, story } from "./fixtures/story.ts";

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

t.test("a target whose closure is damaged is struck off, and the next one is taken", async (t) => {
  const s = proven()
    .deploy("/mid", { agents: { a: "a-mid", b: "b-1" } })
    .proven();
  s.damaged.add("/mid");
  broken(s).exits("a", 3);
  t.equal(s.current, "/one");
  t.same(s.state.rejected, ["/mid"]);
  t.equal(s.state.spentBudget["/two"], 1, "what was refused does not count");
});

t.test("where every closure is damaged the agent is held, with an alert", async (t) => {
  const s = proven();
  s.damaged.add("/one");
  broken(s).exits("a", 3);
  t.equal(s.current, "/two");
  t.equal(s.agent("a").phase, "backoff");
  t.equal(s.agent("a").held, true);
  t.equal(s.record("alert.raise").details.kind, "held");
  t.equal(s.state.rollback, null);
});

t.test("a target that proves itself again is a target again", async (t) => {
  const s = proven();
  s.damaged.add("/one");
  broken(s).exits("a", 3);
  s.damaged.clear();
  s.send({ type: "promoted", path: "/one", knownGood: s.state.knownGood });
  t.same(s.state.rejected, []);
});

t.test("a switch that fails is tried once more, then the agent is held", async (t) => {
  const s = broken(proven().holding("rollback")).exits("a", 3);
  const id = s.state.rollback?.id ?? "";
  s.send({ type: "rollback-failed", id, problems: ["exit code 1"] });
  s.wait(4_999);
  t.equal(s.asked("rollback").length, 1, "what was in the way has a moment to pass");
  s.wait(1);
  t.equal(s.asked("rollback").length, 2);
  t.match(s.record("generation.rollback").details, { attempt: 2, problems: ["exit code 1"] });
  t.equal(s.agent("a").restartAt, null, "it waits");
  s.send({ type: "rollback-failed", id, problems: ["exit code 1"] });
  t.equal(s.asked("rollback").length, 2);
  t.equal(s.state.rollback, null);
  t.equal(s.agent("a").held, true);
  t.match(s.record("agent.hold").details.noRollback, [`rollback ${id} failed`, "exit code 1"]);
  s.exits("a", 3);
  t.equal(s.asked("rollback").length, 2, "the incident has had its rollback");
});

t.test("a switch that was to be tried once more is, by the watchd that comes up meanwhile", async (t) => {
  const s = broken(proven().holding("rollback")).exits("a", 3);
  const id = s.state.rollback?.id ?? "";
  s.send({ type: "rollback-failed", id, problems: ["exit code 1"] }).boot();
  t.equal(s.asked("rollback").length, 2, "at once");
  s.holding().healthy("a");
  t.equal(s.current, "/one");
});

/** The switch could not be made in the boot in which it was decided. */
function notSwitched(): Story {
  const s = broken(proven().holding("rollback")).exits("a", 3);
  return s.failRollback("a reboot is needed");
}

t.test("a rollback that a reboot brings about is one in the books as well, once", async (t) => {
  const s = notSwitched().boot();
  t.same(s.state.quarantine, []);
  const { incident } = s.record("generation.rollback");
  s.current = "/one";
  s.reboot();
  t.match(s.record("generation.rolled-back"), {
    subject: "/one",
    incident,
    details: { from: "/two", by: "reboot" },
  });
  t.match(s.state.quarantine, [{ path: "/two", agent: "a", digest: "a-2", incident }]);
  t.equal(s.state.awaitsBoot, null);
  s.told();
  s.boot().healthy("a");
  t.notOk(s.told().includes("generation.rolled-back"));
});

t.test("a person's rollback that a reboot brings about quarantines nothing", async (t) => {
  const s = broken(proven()).healthy("a").holding("rollback");
  s.send({ type: "operator-rollback", target: "/one", targetNumber: 1 });
  const id = s.state.rollback?.id ?? "";
  s.failRollback("no");
  s.current = "/one";
  s.reboot();
  t.match(s.record("generation.rolled-back").details, { rollback: id, by: "reboot" });
  t.same(s.state.quarantine, []);
});

t.test("what else comes after a rollback that failed is no rollback", async (t) => {
  const ways: Readonly<Record<string, (s: Story) => unknown>> = {
    "a person switches there": (s) => s.switchTo("/one"),
    "the machine boots into another": (s) => s.deploy("/three", { agents: { a: "a-3", b: "b-1" } }).reboot(),
    "it boots into the same, and is switched by hand": (s) => s.reboot().switchTo("/one"),
    "a person vouches for it": (s) => {
      s.send({ type: "operator-allow", path: "/two" });
      s.current = "/one";
      s.reboot();
    },
    "it proves itself": (s) => {
      s.holding().proven();
      s.current = "/one";
      s.reboot();
    },
  };
  for (const [name, follow] of Object.entries(ways)) {
    const s = notSwitched();
    follow(s);
    t.same(s.state.quarantine, [], name);
    t.equal(s.state.awaitsBoot, null, name);
    t.notOk(s.told().includes("generation.rolled-back"), name);
  }
});

t.test("while a rollback is under way the agent that asked for it is not started", async (t) => {
  const s = broken(proven().holding("rollback")).exits("a", 3);
  const starts = s.asked("start").length;
  s.wait(3_600_000).boot();
  s.wait(3_600_000);
  t.equal(s.asked("start").length, starts);
});

t.test("a deploy in the middle of a rollback has the last word", async (t) => {
  const s = broken(proven().holding("rollback")).exits("a", 3);
  s.deploy("/three", { agents: { a: "a-3", b: "b-1" } });
  t.equal(s.state.rollback, null);
  t.equal(s.record("generation.rollback-abandoned").subject, "/one");
  s.holding().healthy("a");
  t.equal(s.current, "/three");
  t.same(s.state.quarantine, []);
});

t.test("somebody who switches back at once in the middle of a rollback has the last word too", async (t) => {
  const s = broken(proven().holding("rollback")).exits("a", 3);
  const id = s.state.rollback?.id ?? "";
  s.refresh().send({ type: "rollback-done", id });
  t.equal(s.state.rollback, null);
  t.equal(s.agent("a").phase, "verifying", "and the agent is started again");
});

t.test("an agent that turns out to be up does not suffer when its rollback fails", async (t) => {
  const s = broken(proven().holding("rollback")).exits("a", 3);
  s.alive.set("left", { agent: "a", runId: "left", digest: "a-2", pid: 1, startedAt: s.wall });
  s.boot().healthy("a");
  s.failRollback("no");
  t.equal(s.agent("a").phase, "healthy");
  t.equal(s.agent("a").run?.runId, "left");
});

t.test("an agent that is up again and refused its rollback keeps running", async (t) => {
  const s = broken(proven().holding("rollback")).exits("a", 3);
  const id = s.state.rollback?.id ?? "";
  s.alive.set("left", { agent: "a", runId: "left", digest: "a-2", pid: 1, startedAt: s.wall });
  s.boot()
    .healthy("a")
    .send({ type: "rollback-refused", id, problems: ["damaged"] });
  t.equal(s.agent("a").phase, "healthy");
  t.equal(s.state.rollback, null);
});

t.test("a rollback survives watchd: the next one asks for it again, and has it on record", async (t) => {
  const s = broken(proven().holding("rollback")).exits("a", 3);
  const [first] = s.asked("rollback");
  s.boot();
  t.same(s.asked("rollback"), [first, first]);
  t.equal(rollbacks(s).length, 2);
  s.holding();
  t.equal(s.current, "/one");
  t.equal(s.state.spentBudget["/two"], 1);
});

t.test("a rollback that came about while watchd was away is complete", async (t) => {
  const s = broken(proven().holding("rollback")).exits("a", 3);
  s.current = "/one";
  s.boot();
  t.equal(s.state.rollback, null);
  t.same(
    s.state.quarantine.map(({ path, digest }) => [path, digest]),
    [["/two", "a-2"]],
  );
  t.equal(s.asked("rollback").length, 1);
});

t.test("power lost in the middle of a rollback: it goes on after the reboot", async (t) => {
  const s = broken(proven().holding("rollback")).exits("a", 3).reboot();
  t.equal(s.agent("a").phase, "stopped");
  s.holding().healthy("a", "b");
  t.equal(s.current, "/one");
  t.equal(
    rollbacks(s).filter(
      ({ details }) => details.rollback !== s.record("generation.rollback").details.rollback,
    ).length,
    0,
  );
});

t.test("another agent that runs out of attempts in the middle of a rollback is held", async (t) => {
  const s = proven().holding("rollback");
  s.deploy("/two", { agents: { a: "a-2", b: "b-2" } })
    .exits("a", 3)
    .exits("b", 3);
  t.equal(s.asked("rollback").length, 1);
  t.ok(whyNot(s).includes("none-in-progress"));
  s.holding().healthy("a", "b");
  t.equal(s.current, "/one");
});

t.test("nothing that comes too late for a rollback changes anything", async (t) => {
  const s = broken(proven().holding("rollback")).exits("a", 3);
  const id = s.state.rollback?.id ?? "";
  s.holding().healthy("a");
  const before = s.state;
  s.send({ type: "rollback-failed", id, problems: ["late"] });
  s.send({ type: "rollback-refused", id, problems: ["late"] });
  s.send({ type: "rollback-done", id });
  t.same({ ...s.state, turn: 0 }, { ...before, turn: 0 });
});

t.test("every decision is recorded with each rule, how it stood, and the target", async (t) => {
  const taken = broken(proven()).exits("a", 3);
  const { judgement } = taken.record("recovery.escalate").details as never;
  t.match(judgement, { target: "/one", rules: Array });
  t.same(
    (judgement as { rules: { holds: boolean }[] }).rules.map(({ holds }) => holds),
    Array.from({ length: 9 }, () => true),
  );
  const refused = broken(proven({ escalate: ["alert"] }), { escalate: ["alert"] }).exits("a", 3);
  t.match(refused.record("agent.hold").details.judgement, {
    target: null,
    rules: [
      { rule: "policy-wants-it", holds: false, why: String },
      { rule: "restarts-exhausted", holds: true },
    ],
  });
});
