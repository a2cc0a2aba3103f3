import t from "tap";
import { story } from "./fixtures/story.ts";
import { isDrained, refuseRollback } from "./operator.ts";
import { initialState } from "./state.ts";

const two = () =>
  story({ agents: { a: "a-1" } })
    .proven()
    .deploy("/two", { agents: { a: "a-2" } })
    .healthy("a");

t.test("a person's rollback needs no cause, costs no budget, and quarantines nothing", async (t) => {
  const s = two().send({ type: "operator-rollback", target: "/one", targetNumber: 1 });
  t.equal(s.current, "/one");
  t.match(s.record("generation.rollback").details, { by: "operator", from: "/two", agent: null });
  t.same(s.state.quarantine, []);
  t.same(s.state.spentBudget, {});
  s.healthy("a");
});

t.test("a person's rollback that fails twice is given up, and leaves the agents alone", async (t) => {
  const s = two().holding("rollback").send({ type: "operator-rollback", target: "/one", targetNumber: 1 });
  s.failRollback("no");
  t.equal(s.state.rollback, null);
  t.equal(s.record("generation.rollback-failed").severity, "critical");
  t.equal(s.agent("a").phase, "healthy");
});

t.test("a person's rollback is refused where it makes no sense", async (t) => {
  t.equal(refuseRollback(initialState({ epoch: "e", bootId: "b", seed: 1 }), "/one"), "nothing-deployed");
  const s = two();
  t.equal(refuseRollback(s.state, "/two"), "already-current");
  t.equal(refuseRollback(s.state, "/one"), null);
  s.exits("a", 3).healthy("a");
  t.equal(refuseRollback(s.state, "/two"), "quarantined");
  s.holding("rollback").send({ type: "operator-allow", path: "/two" });
  t.equal(refuseRollback(s.state, "/two"), null);
  s.send({ type: "operator-rollback", target: "/two", targetNumber: 2 });
  t.equal(refuseRollback(s.state, "/two"), "in-progress");
});

t.test("a rollback that was asked for before the survey is carried out after it, once", async (t) => {
  const s = two().holding("rollback");
  s.send({ type: "boot", bootId: "boot-1" }).refresh();
  s.send({ type: "operator-rollback", target: "/one", targetNumber: 1 });
  t.equal(s.asked("rollback").length, 0);
  s.survey();
  t.equal(s.asked("rollback").length, 1);
});

t.test("a person can vouch for a generation that was rolled back from", async (t) => {
  const s = two().exits("a", 3).healthy("a");
  s.send({ type: "operator-allow", path: "/two" });
  t.same(s.state.quarantine, []);
  t.equal(s.record("generation.allow").severity, "warning");
});

t.test("a drain stops what runs, starts nothing, and is over when nothing is left", async (t) => {
  const s = story({ agents: { a: "a-1", b: "b-1", c: "c-1" } }).healthy("a", "b", "c");
  s.exit("b").holding("stop", "start").exit("c").wait(100);
  t.same(s.phases(), { a: "healthy", b: "starting", c: "starting" });
  s.send({ type: "drain" });
  t.same(s.phases(), { a: "stopping", b: "starting", c: "starting" });
  s.holding();
  t.same(s.phases(), { a: "stopped", b: "stopped", c: "stopped" });
  t.ok(isDrained(s.state));
  t.equal(s.alive.size, 0);
  const before = s.asked("start").length;
  s.wait(3_600_000).refresh().survey();
  t.equal(s.asked("start").length, before);
});

t.test("an agent that fails in a drain is not restarted", async (t) => {
  const s = story({ agents: { a: "a-1" } })
    .healthy("a")
    .holding("stop");
  s.send({ type: "drain" }).exit("a").holding();
  t.ok(isDrained(s.state));
});

t.test("a drain before the survey stops what the survey finds", async (t) => {
  const s = two();
  s.send({ type: "boot", bootId: "boot-1" }).refresh().send({ type: "drain" });
  t.notOk(isDrained(s.state));
  s.survey();
  t.ok(isDrained(s.state));
  t.equal(s.alive.size, 0);
});

t.test("a drain does not last: the next watchd starts everything again", async (t) => {
  const s = two().send({ type: "drain" }).boot().healthy("a");
  t.equal(s.state.draining, false);
});
