import t from "tap";
import { type Story, story } from "./fixtures/story.ts";

const ask = (s: Story) => s.send({ type: "restart-asked", agent: "a", runId: s.agent("a").run?.runId ?? "" });
const alone = (uptimeMs: number) =>
  story({ agents: { a: {} } })
    .healthy("a")
    .wait(uptimeMs - s0);
/** The start-up time, after which an agent without a health check is healthy. */
const s0 = 1_000;

t.test("an agent gets the restart that it asks for, and has not failed", async (t) => {
  const s = alone(10_000);
  s.told();
  ask(s);
  t.same(s.told(), ["agent.restart-asked", "agent.stop", "agent.stopped", "agent.start"]);
  t.equal(s.agent("a").incident, null);
  t.same(s.agent("a").failures, []);
  s.healthy("a");
});

t.test(
  "an agent that restarts itself in a loop is no storm: a run has to last before it may ask",
  async (t) => {
    const s = alone(9_999);
    s.told();
    ask(s);
    t.same(s.told(), []);
    t.equal(s.agent("a").phase, "healthy");
  },
);

t.test(
  "nor is one that asks as soon as it may: it gets as many as it may fail, and a person is told",
  async (t) => {
    const s = alone(10_000);
    const asks = (times: number) => {
      for (let time = 0; time < times; time += 1) ask(s).wait(10_000);
      return s.told().filter((action) => action === "agent.restart-asked" || action === "alert.raise");
    };
    t.same(asks(3), ["agent.restart-asked", "agent.restart-asked", "agent.restart-asked"]);
    const { runId } = s.agent("a").run ?? {};
    const alerts = s.records.length;
    t.same(asks(5), ["alert.raise"], "once for this run");
    t.equal(alerts, 0);
    t.match(s.agent("a"), { phase: "healthy", incident: null, run: { runId } }, "it goes on running");
    s.wait(600_000);
    t.same(asks(1), ["agent.restart-asked"], "the window has passed");
  },
);

t.test("what asks too often may still be replaced for another reason", async (t) => {
  const s = alone(10_000);
  for (let time = 0; time < 4; time += 1) ask(s).wait(10_000);
  const { runId = "" } = s.agent("a").run ?? {};
  s.send({ type: "replace-asked", agent: "a", runId, why: "drift" });
  t.not(s.agent("a").run?.runId, runId);
});

t.test("nobody asks for the restart of another run, or of one that is being stopped", async (t) => {
  const s = alone(20_000);
  s.send({ type: "restart-asked", agent: "a", runId: "run-of-somebody" });
  t.equal(s.asked("stop").length, 0);
  s.holding("stop");
  ask(ask(s));
  t.equal(s.asked("stop").length, 1);
  s.holding();
  t.equal(s.agent("a").phase, "verifying");
});

t.test("what a person has stopped meanwhile stays stopped", async (t) => {
  const s = ask(alone(20_000).holding("stop"));
  s.stopped.add("a");
  s.survey().holding();
  t.equal(s.agent("a").phase, "stopped");
});
