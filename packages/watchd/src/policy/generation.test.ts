import t from "tap";
import { type Story, story } from "./fixtures/story.ts";

const two = () => story({ agents: { a: "a-1", b: "b-1" } }).healthy("a", "b");
const starts = (s: Story, agent: string) => s.asked("start").filter((start) => start.agent === agent).length;
const copies = (s: Story, agent: string) => [...s.alive.values()].filter((run) => run.agent === agent).length;

t.test("a switch replaces the agents that it changes and leaves the others running", async (t) => {
  const s = two();
  const before = s.agent("b").run;
  s.deploy("/two", { agents: { a: "a-2", b: "b-1" } }).healthy("a");
  t.equal(s.agent("a").run?.digest, "a-2");
  t.equal(s.agent("b").run?.runId, before?.runId);
  t.match(s.record("generation.switch").details, { added: [], changed: ["a"], removed: [], from: "/one" });
});

t.test("a switch starts what it adds and stops what it removes", async (t) => {
  const s = two().deploy("/two", { agents: { b: "b-1", c: "c-1" } });
  t.same(s.phases(), { b: "healthy", c: "verifying" });
  t.same([...s.alive.values()].map(({ agent }) => agent).sort(), ["b", "c"]);
});

t.test("the same generation again is no switch", async (t) => {
  const s = two();
  s.told();
  s.refresh();
  t.same(s.told(), []);
});

t.test("a switch while an agent is starting waits for the start, then replaces it", async (t) => {
  const s = two().exit("a").holding("start").wait(100);
  s.deploy("/two", { agents: { a: "a-2", b: "b-1" } });
  t.equal(s.held.length, 1);
  s.holding().healthy("a");
  t.equal(s.agent("a").run?.digest, "a-2");
  t.equal(copies(s, "a"), 1);
});

t.test("a start that fails because a switch came in between is no failure", async (t) => {
  const s = two().exit("a").holding("start").wait(100);
  const runId = s.agent("a").startingRun?.runId ?? "";
  s.deploy("/two", { agents: { a: "a-2", b: "b-1" } });
  s.send({ type: "start-failed", agent: "a", runId, code: "WATCHD_E_OUTDATED", message: "outdated" });
  t.equal(s.agent("a").startingRun?.digest, "a-2");
  t.same(s.agent("a").failures, []);
});

t.test("a switch while an agent is stopping starts what is wanted then", async (t) => {
  const s = two()
    .holding("stop")
    .deploy("/two", { agents: { a: "a-2", b: "b-1" } });
  s.deploy("/three", { agents: { a: "a-3", b: "b-1" } });
  t.equal(s.held.length, 1);
  s.holding().healthy("a");
  t.equal(s.agent("a").run?.digest, "a-3");
  t.equal(starts(s, "a"), 2);
});

t.test("an agent that is removed while it starts is remembered until it is gone", async (t) => {
  const s = two().exit("a").holding("start").wait(100);
  s.deploy("/two", { agents: { b: "b-1" } });
  t.equal(s.agent("a").phase, "starting");
  s.deploy("/three", { agents: { a: "a-1", b: "b-1" } });
  t.equal(s.held.length, 1, "it is not started twice when it comes back meanwhile");
  s.deploy("/four", { agents: { b: "b-1" } }).holding();
  t.same(s.phases(), { b: "healthy" });
  t.equal(copies(s, "a"), 0);
});

t.test("an agent that is removed while it starts, and whose start fails, is gone", async (t) => {
  const s = two().exit("a").holding("start").wait(100);
  const runId = s.agent("a").startingRun?.runId ?? "";
  s.deploy("/two", { agents: { b: "b-1" } });
  s.send({ type: "start-failed", agent: "a", runId, code: "X", message: "x" });
  t.same(s.phases(), { b: "healthy" });
});

t.test(
  "an agent that comes back while its last run is being stopped is started when that has ended",
  async (t) => {
    const s = two()
      .holding("stop")
      .deploy("/two", { agents: { b: "b-1" } });
    s.deploy("/three", { agents: { a: "a-1", b: "b-1" } });
    t.equal(starts(s, "a"), 1);
    s.holding().healthy("a");
    t.equal(starts(s, "a"), 2);
    t.equal(copies(s, "a"), 1);
  },
);

t.test(
  "an agent that comes back before it is gone is told as added, and one on its way out is removed once",
  async (t) => {
    const s = two()
      .holding("stop")
      .deploy("/two", { agents: { b: "b-1" } });
    t.match(s.record("generation.switch").details, { removed: ["a"] });
    s.deploy("/three", { agents: { b: "b-2" } });
    t.match(s.record("generation.switch").details, { removed: [], changed: ["b"] });
    s.deploy("/four", { agents: { a: "a-1", b: "b-2" } });
    t.match(s.record("generation.switch").details, { added: ["a"], changed: [], removed: [] });
  },
);

t.test("an agent that is removed while its failed run is being stopped is not restarted", async (t) => {
  const s = story({ agents: { a: { limits: { memoryBytes: 1 } }, b: "b-1" } })
    .healthy("a")
    .holding("stop");
  s.uses("a", { memoryBytes: 2 });
  s.deploy("/two", { agents: { b: "b-1" } }).holding();
  t.same(Object.keys(s.state.agents), ["b"]);
});

t.test("a changed agent begins with a clean sheet, whatever it was doing", async (t) => {
  const s = two().exits("a", 3);
  t.equal(s.agent("a").held, true);
  s.deploy("/two", { agents: { a: "a-2", b: "b-1" } });
  t.equal(s.agent("a").phase, "verifying");
  t.equal(s.agent("a").held, false);
  t.same(s.agent("a").failures, []);
});

t.test("an agent that was done, or had failed for good, runs again under a new definition", async (t) => {
  const never = { restart: { when: "never" } } as const;
  for (const code of [0, 1]) {
    const s = story({ agents: { a: { digest: "a-1", ...never } } })
      .healthy("a")
      .exit("a", code);
    s.deploy("/two", { agents: { a: { digest: "a-2", ...never } } });
    t.equal(s.agent("a").phase, "verifying");
  }
});

t.test("the same when the switch came while watchd was away", async (t) => {
  const s = story({ agents: { a: { digest: "a-1", restart: { when: "never" } } } })
    .healthy("a")
    .exit("a");
  s.send({ type: "boot", bootId: "boot-1" }).deploy("/two", { agents: { a: "a-2" } });
  t.equal(starts(s, "a"), 1, "nothing before the survey");
  s.survey();
  t.equal(s.agent("a").phase, "verifying");
});

t.test("an agent that had ended for good runs again once its restart policy says so", async (t) => {
  const s = story({ agents: { a: { restart: { when: "never" } } } })
    .healthy("a")
    .exit("a");
  s.deploy("/two", { agents: { a: { restart: { when: "on-failure" } } } });
  t.equal(s.agent("a").phase, "verifying");
  const done = story({ agents: { a: {} } })
    .healthy("a")
    .exit("a", 0);
  done.deploy("/two", { agents: { a: { restart: { when: "always" } } } });
  t.equal(done.agent("a").phase, "verifying");
});

t.test("an unchanged agent that backs off goes on backing off", async (t) => {
  const s = two().exit("a");
  const { restartAt } = s.agent("a");
  s.deploy("/two", { agents: { a: "a-1", b: "b-2" } });
  t.equal(s.agent("a").restartAt, restartAt);
});

t.test("a run of the old definition that ends after the switch says nothing about the new one", async (t) => {
  const s = two();
  s.vanish("a").send({ type: "boot", bootId: "boot-1" });
  s.deploy("/two", { agents: { a: "a-2", b: "b-1" } }).survey();
  t.equal(s.agent("a").incident, null);
  t.equal(s.agent("a").startingRun ?? s.agent("a").run, s.agent("a").run);
  t.equal(s.agent("a").run?.digest, "a-2");
});

t.test(
  "an agent that was removed while watchd was away, and has died, neither alerts nor rolls back",
  async (t) => {
    const s = two().proven();
    s.deploy("/two", { agents: { a: { digest: "a-2", restart: { attempts: 1 } }, b: "b-1" } }).healthy("a");
    s.vanish("a").send({ type: "boot", bootId: "boot-1" });
    s.told();
    s.deploy("/three", { agents: { b: "b-1" } }).survey();
    t.same(s.told(), ["generation.switch", "agent.healthy"], "b is proven again");
    t.same(Object.keys(s.state.agents), ["b"]);
  },
);

t.test("a deploy that asks for alerts gets one for what is wrong already", async (t) => {
  const s = story({ agents: { a: { escalate: [] } } }).exits("a", 3);
  t.notOk(s.told().includes("alert.raise"));
  s.deploy("/two", { agents: { a: { escalate: ["alert"] } } }).exits("a", 1);
  t.ok(s.told().includes("alert.raise"));
});
