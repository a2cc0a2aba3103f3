import t from "tap";
import { probed, type Story, story } from "./fixtures/story.ts";
import { nextWake } from "./policy.ts";

const alone = () => story({ agents: { a: "a-1" } }).healthy("a");
const starts = (s: Story) => s.asked("start").length;

function appears(s: Story, agent: string, runId: string, digest: string): Story {
  s.alive.set(runId, { agent, runId, digest, pid: 7, startedAt: s.wall });
  return s;
}

t.test("the next watchd takes over what runs, and proves it again", async (t) => {
  const s = story({ agents: { a: probed } }).healthy("a");
  const before = s.agent("a").run?.runId;
  s.holding("probe").boot();
  t.equal(s.agent("a").phase, "verifying");
  t.equal(s.agent("a").run?.runId, before);
  s.holding().healthy("a");
  t.equal(starts(s), 1);
});

t.test("a watchd that has lost its memory takes over what runs", async (t) => {
  const s = story({ agents: {} });
  appears(s, "a", "run-x-1", "a-1");
  s.send({ type: "boot", bootId: "boot-1" })
    .deploy("/two", { agents: { a: "a-1" } })
    .survey();
  t.equal(s.record("agent.adopt").run, "run-x-1");
  t.equal(starts(s), 0);
  s.healthy("a");
});

t.test("a watchd that knows of no generation leaves alone what runs", async (t) => {
  const s = appears(alone(), "b", "run-b", "b-1");
  s.state = { ...s.state, generation: null, agents: {} };
  s.send({ type: "boot", bootId: "boot-1" }).survey();
  t.same(s.asked("stop"), []);
  s.refresh().survey();
  t.equal(s.agent("a").phase, "verifying");
  t.same(
    s.asked("stop").map(({ runId }) => runId),
    ["run-b"],
  );
});

t.test("nothing is started, stopped or woken before the first survey", async (t) => {
  const s = alone().send({ type: "boot", bootId: "boot-1" });
  const before = s.commands.length;
  s.deploy("/two", { agents: { a: "a-2", b: "b-1" } }).exit("a");
  s.uses("a", { memoryBytes: 1e12 }, "run-e-1");
  t.equal(nextWake(s.state), null);
  t.equal(s.commands.length, before);
  s.survey();
  t.same(
    s.asked("start").map(({ digest }) => digest),
    ["a-1", "a-2", "b-1"],
  );
});

t.test("what ended while watchd was away has failed, for an unknown cause", async (t) => {
  const s = alone().vanish("a").wait(1).boot();
  t.same(s.record("agent.exit").details.exit, { kind: "unknown" });
  t.equal(s.agent("a").phase, "backoff");
  s.healthy("a");
});

t.test(
  "a start that watchd did not live to see is found, or made good for at the pace of a failure",
  async (t) => {
    const found = alone().exit("a").wait(100);
    found.state = { ...found.state, agents: { a: { ...found.agent("a"), phase: "starting", run: null } } };
    const lost = alone().exit("a").holding("start").wait(100);
    lost.holding("start").boot();
    t.equal(lost.record("agent.start-lost").incident, lost.record("agent.exit").incident);
    t.equal(lost.record("agent.restart").details.delayMs, 200);
    t.same(lost.agent("a").evidence.length, 1, "it is not held against the generation");
    const carried = alone().exit("a").holding("start").wait(100);
    const [start] = carried.held;
    if (start?.type !== "start") throw new Error("no start");
    appears(carried, "a", start.runId, "a-1").boot();
    t.equal(carried.agent("a").run?.runId, start.runId);
    t.equal(starts(carried), 2);
  },
);

t.test("a stop that watchd did not live to see is asked for again, on record", async (t) => {
  const s = story({ agents: { a: "a-1" } })
    .healthy("a")
    .holding("stop");
  s.deploy("/two", { agents: { a: "a-2" } });
  s.told();
  s.boot();
  t.equal(s.asked("stop").length, 2);
  t.ok(s.told().includes("agent.stop"));
  s.holding().healthy("a");
  t.equal(s.agent("a").run?.digest, "a-2");
});

t.test("a list that was begun before a run was known says nothing about it", async (t) => {
  const s = alone().exit("a");
  const takenAt = s.mono;
  s.wait(100);
  s.send({ type: "runs", runs: [], stopped: [], takenAt });
  t.equal(s.agent("a").phase, "verifying");
});

t.test("the same when the wall clock is set forward as the run starts", async (t) => {
  const s = alone().exit("a").holding("start").wait(100);
  const [start] = s.held;
  if (start?.type !== "start") throw new Error("no start");
  const takenAt = s.mono;
  const run = { agent: "a", runId: start.runId, digest: "a-1", pid: 7, startedAt: s.wall };
  s.mono += 5;
  s.wall += 3_600_000;
  s.send({ type: "started", run });
  s.send({ type: "runs", runs: [], stopped: [], takenAt });
  t.equal(s.agent("a").phase, "verifying");
});

t.test("a wall clock that is set does not shorten the start-up time", async (t) => {
  for (const jump of [-3_600_000, 3_600_000]) {
    const s = story({ agents: { a: { ...probed, startupMs: 10_000 } } }).healthy("a");
    s.exit("a").holding("start").wait(100);
    const [start] = s.held;
    if (start?.type !== "start") throw new Error("no start");
    const run = { agent: "a", runId: start.runId, digest: "a-1", pid: 7, startedAt: s.wall };
    s.wall += jump;
    s.answers.set("a", { ok: false, latencyMs: 1, reason: "not yet" });
    s.holding("start").send({ type: "started", run }).wait(9_900);
    t.equal(s.agent("a").phase, "verifying");
  }
});

t.test(
  "of two runs of an agent the wanted one is kept, and nothing is started until the other is gone",
  async (t) => {
    const s = alone();
    appears(s, "a", "stray", "a-0").holding("stop").survey();
    t.same(s.agent("a").strays, [{ runId: "stray", asked: true }]);
    s.survey();
    t.equal(s.asked("stop").length, 1, "it is asked to stop once");
    s.exit("a").wait(3_600_000);
    t.equal(starts(s), 1);
    s.holding();
    t.equal(starts(s), 2);
    t.equal(s.agent("a").phase, "verifying");
  },
);

t.test("a stray that cannot be stopped is asked again at the next survey", async (t) => {
  const s = appears(alone(), "a", "stray", "a-1").holding("stop").survey();
  s.send({ type: "stop-failed", agent: "a", runId: "stray", message: "still there" }).survey();
  t.equal(s.asked("stop").length, 2);
  s.send({ type: "stop-failed", agent: "a", runId: "stray", message: "still there" });
  s.alive.delete("stray");
  s.survey();
  t.same(s.agent("a").strays, []);
});

t.test("a stray that watchd did not live to see gone does not hold up anything", async (t) => {
  const s = appears(alone(), "a", "stray", "a-0").holding("stop").survey().vanish("a");
  s.alive.delete("stray");
  s.boot();
  t.same(s.agent("a").strays, []);
  s.holding().healthy("a");
});

t.test(
  "a run of an agent that nobody declares is stopped, and waited for should the agent come back",
  async (t) => {
    const s = appears(alone(), "b", "run-b", "b-1").holding("stop").survey();
    s.survey();
    t.equal(s.asked("stop").length, 1);
    s.deploy("/two", { agents: { a: "a-1", b: "b-1" } });
    t.equal(starts(s), 1);
    s.holding().healthy("b");
    t.equal(starts(s), 2);
  },
);

t.test(
  "a run that is alive although it was said to have ended does not live on beside its successor",
  async (t) => {
    const s = alone();
    const run = s.agent("a").run;
    s.send({ type: "exited", agent: "a", runId: run?.runId ?? "", cause: { kind: "unknown" }, at: s.mono });
    s.wait(1).survey();
    t.same(
      s.asked("stop").map(({ runId }) => runId),
      [run?.runId],
    );
    s.healthy("a");
    t.equal(s.alive.size, 1);
  },
);

t.test(
  "after a reboot everything is started anew, and intervals of the old clock are forgotten",
  async (t) => {
    const s = story({ agents: { a: "a-1", b: "b-1" } })
      .healthy("a", "b")
      .exits("a", 2);
    s.reboot();
    t.same(s.phases(), { a: "verifying", b: "verifying" });
    t.same(s.agent("a").failures, []);
    s.healthy("a", "b");
    t.ok((s.record("recovery.verified").details.verifiedAfterMs as number) < 10_000);
  },
);

t.test("a run that systemd has begun in our place is taken over, and proves the recovery", async (t) => {
  const s = appears(alone().exit("a").wait(50), "a", "inv-x", "a-1").survey();
  t.equal(s.agent("a").run?.runId, "inv-x");
  t.equal(s.record("agent.adopt").incident, s.record("agent.exit").incident);
  s.healthy("a");
  t.ok(s.record("recovery.verified"));
  t.equal(starts(s), 1);
  t.same(s.asked("stop"), []);
  s.exit("a").healthy("a");
  t.equal(starts(s), 2);
});

t.test("of another definition, or beside a run or a start of ours, it is not wanted", async (t) => {
  const other = appears(alone().exit("a").wait(50), "a", "inv-x", "a-0").survey();
  const beside = appears(alone(), "a", "inv-x", "a-1").survey();
  const starting = appears(alone().exit("a").holding("start").wait(100), "a", "inv-x", "a-1").survey();
  for (const s of [other, beside, starting]) {
    t.same(
      s.asked("stop").map(({ runId }) => runId),
      ["inv-x"],
    );
    s.holding().healthy("a");
    t.equal(s.alive.size, 1);
    t.match(s.agent("a").run?.runId, /^run-/);
  }
});

t.test("a list from before a run has ended does not bring it back", async (t) => {
  const s = alone();
  const runs = [...s.alive.values()];
  const takenAt = s.mono;
  s.wait(1).exit("a");
  s.send({ type: "runs", runs, stopped: [], takenAt });
  t.equal(s.agent("a").phase, "backoff");
  t.same(s.asked("stop"), []);
});

t.test("news for an earlier watchd about a start is no second run", async (t) => {
  const s = alone().exit("a").holding("start").wait(100);
  const [start] = s.held;
  if (start?.type !== "start") throw new Error("no start");
  s.holding("start", "stop").boot();
  s.waitUntil(() => s.held.some(({ type }) => type === "start"));
  const run = { agent: "a", runId: start.runId, digest: "a-1", pid: 7, startedAt: s.wall };
  s.send({ type: "started", run });
  t.equal(s.agent("a").run, null, "it has been given up for lost");
});

t.test("names that every object has are only names", async (t) => {
  const s = story({ agents: { constructor: "c-1" } })
    .healthy("constructor")
    .exit("constructor");
  s.deploy("/two", { agents: { constructor: "c-2" } }).healthy("constructor");
  t.equal(s.agent("constructor").run?.digest, "c-2");
});
