import t from "tap";
import { type Deploy, probed, type Story, story } from "./fixtures/story.ts";
import { refuseRollback } from "./operator.ts";

const one: Deploy = { agents: { a: "a-1", b: "b-1" } };
const both = () => story(one).healthy("a", "b");
const starts = (s: Story) => s.asked("start").filter(({ agent }) => agent === "a").length;
const failures = ["agent.exit", "agent.start-failed", "agent.restart", "agent.hold", "generation.rollback"];

function stop(s: Story): Story {
  s.stopped.add("a");
  return s.survey();
}

/** A person starts it: their word is taken back on disk first. */
function start(s: Story): Story {
  s.stopped.delete("a");
  return s.send({ type: "operator-start", agent: "a" });
}

/** Somebody stops the agent's run with systemctl. */
const stopOutside = (s: Story) => s.end("a", { kind: "stopped", inSwitch: false });

function appears(s: Story, runId: string, digest = "a-1"): Story {
  s.alive.set(runId, { agent: "a", runId, digest, pid: 7, startedAt: s.wall });
  return s.wait(1).survey();
}

t.test("a person's stop stops the run, on record, and is no failure", async (t) => {
  const s = both();
  const runId = s.agent("a").run?.runId;
  s.told();
  stop(s);
  t.same(s.phases(), { a: "stopped", b: "healthy" });
  t.match(s.record("agent.stopped-by-person"), { subject: "a", severity: "warning" });
  t.match(s.record("agent.stop"), { run: runId, details: { why: "a person has stopped it" } });
  s.wait(3_600_000).survey();
  t.same(
    s.told().filter((action) => failures.includes(action)),
    [],
  );
  t.equal(starts(s), 1);
  t.same(s.agent("a").failures, []);
});

t.test("it is told once, however often it is surveyed", async (t) => {
  const s = stop(both()).survey().survey();
  t.equal(s.records.filter(({ action }) => action === "agent.stopped-by-person").length, 1);
  t.equal(s.asked("stop").length, 1);
});

const afterwards: Readonly<Record<string, (s: Story) => Story>> = {
  "a new watchd": (s) => s.boot(),
  "a reboot": (s) => s.reboot(),
  "a deploy that changes the agent": (s) =>
    s.deploy("/two", { agents: { ...one.agents, a: "a-2" } }).survey(),
  "a deploy that changes another one": (s) =>
    s.deploy("/two", { agents: { ...one.agents, b: "b-2" } }).survey(),
  "two deploys, of which one removes the agent and one has it again": (s) =>
    s
      .deploy("/two", { agents: { b: "b-1" } })
      .survey()
      .deploy("/three", one)
      .survey(),
  "a rollback": (s) => {
    s.proven().deploy("/two", { agents: { ...one.agents, b: "b-2" } });
    return s.exits("b", 3).healthy("b");
  },
  "a loss of the core's memory": (s) => {
    const known = { ...s.state, generation: null, agents: {}, stopped: [] };
    s.state = known;
    return s.boot();
  },
};

for (const [what, happens] of Object.entries(afterwards)) {
  t.test(`a person's stop outlives ${what}`, async (t) => {
    const s = both();
    s.proven();
    happens(stop(s)).wait(60_000).survey();
    t.equal(s.agent("a").phase, "stopped");
    t.equal(s.agent("a").stoppedBy, "person");
    t.equal(starts(s), 1);
    start(s).healthy("a");
    t.equal(starts(s), 2);
    t.equal(s.agent("a").run?.digest, s.agent("a").policy.digest);
  });
}

t.test("an agent that a person has stopped before it was ever deployed is not started", async (t) => {
  const s = story({ agents: { b: "b-1" } });
  stop(s).deploy("/two", one).survey().healthy("b");
  t.same(s.phases(), { a: "stopped", b: "healthy" });
  t.equal(starts(s), 0);
});

t.test("a stop that comes while the agent starts, or waits to be started, holds all the same", async (t) => {
  const starting = both().exit("a").holding("start").wait(100);
  stop(starting).holding();
  t.equal(starting.agent("a").phase, "stopped");
  t.equal(starting.alive.size, 1);
  const waits = stop(both().exit("a"));
  t.equal(waits.wait(3_600_000).agent("a").phase, "stopped");
  t.equal(starts(waits), 1);
});

t.test("a stop settles what was being recovered", async (t) => {
  const s = both().exits("a", 2);
  const { id } = s.agent("a").incident ?? {};
  stop(s);
  t.equal(s.agent("a").incident, null);
  t.equal(s.record("agent.stopped-by-person").incident, id);
  start(s).healthy("a");
  t.notOk(s.told().includes("recovery.verified"));
});

t.test("stopped and started by a person while it is stopped to be recovered, it simply starts", async (t) => {
  const s = story({ agents: { a: probed } })
    .healthy("a")
    .holding("stop");
  s.answers.set("a", { ok: false, latencyMs: 1, reason: "500" });
  s.waitUntil(() => s.agent("a").phase === "stopping");
  stop(s);
  start(s);
  s.answers.delete("a");
  s.holding().healthy("a");
  t.equal(s.agent("a").incident, null);
  t.notOk(s.told().includes("agent.restart"));
});

t.test("a run that somebody starts against a person's word is stopped", async (t) => {
  const s = stop(both());
  appears(s, "inv-x");
  t.equal(s.alive.size, 1);
  t.equal(s.agent("a").phase, "stopped");
});

t.test("a start that comes before the stop is over starts it after that", async (t) => {
  const s = stop(both().holding("stop"));
  t.equal(s.agent("a").phase, "stopping");
  start(s);
  t.equal(s.agent("a").phase, "stopping");
  s.holding().healthy("a");
  t.equal(starts(s), 2);
});

t.test("a word that was taken back on disk alone counts with the next survey", async (t) => {
  const s = stop(both());
  s.stopped.delete("a");
  s.survey().healthy("a");
  t.match(s.record("agent.released"), { subject: "a" });
});

t.test("a person starts what has ended for good, too", async (t) => {
  for (const [when, code, phase] of [
    ["on-failure", 0, "completed"],
    ["never", 1, "failed"],
  ] as const) {
    const s = story({ agents: { a: { restart: { when } } } })
      .healthy("a")
      .exit("a", code);
    t.equal(s.agent("a").phase, phase);
    start(s).healthy("a");
    t.equal(starts(s), 2);
  }
});

t.test(
  "a person's start of what runs, or is not there, changes nothing; what waits for its next try is started at once",
  async (t) => {
    const s = both();
    s.told();
    start(s).send({ type: "operator-start", agent: "nobody" });
    t.same(s.told(), []);
    s.exit("a");
    t.equal(s.agent("a").phase, "backoff");
    start(s);
    t.equal(s.agent("a").phase, "verifying");
    t.ok(s.told().includes("agent.released"));
  },
);

t.test("a stop from outside is no failure, and is not undone", async (t) => {
  const s = both();
  s.told();
  stopOutside(s);
  t.match(s.record("agent.stopped-outside"), { subject: "a", severity: "info" });
  s.wait(3_600_000).survey();
  t.same(
    s.told().filter((action) => failures.includes(action)),
    [],
  );
  t.equal(s.agent("a").phase, "stopped");
  t.equal(s.agent("a").stoppedBy, "outside");
  t.same(s.agent("a").failures, []);
  t.equal(starts(s), 1);
});

t.test("a stop from outside outlives watchd, and is over with the next switch, boot or run", async (t) => {
  const restarted = stopOutside(both()).boot().wait(60_000);
  t.equal(restarted.agent("a").phase, "stopped");
  stopOutside(both())
    .deploy("/two", { agents: { ...one.agents, a: "a-2" } })
    .healthy("a");
  stopOutside(both())
    .deploy("/two", { agents: { ...one.agents, b: "b-2" } })
    .healthy("a");
  stopOutside(both()).reboot().healthy("a");
  start(stopOutside(both())).healthy("a");
  const adopted = appears(stopOutside(both()), "inv-x");
  t.equal(adopted.agent("a").run?.runId, "inv-x");
  t.equal(adopted.agent("a").stoppedBy, null);
  adopted.healthy("a");
  t.same(adopted.asked("stop"), []);
  adopted.exit("a").healthy("a");
});

t.test("a person's word outweighs a stop from outside", async (t) => {
  const s = stop(stopOutside(both()));
  t.equal(s.agent("a").stoppedBy, "person");
  s.deploy("/two", { agents: { ...one.agents, a: "a-2" } }).wait(60_000);
  t.equal(s.agent("a").phase, "stopped");
});

t.test("a stop of an agent that the switch has removed or changed is no stop from outside", async (t) => {
  const changed = both().holding("stop");
  changed.deploy("/two", { agents: { ...one.agents, a: "a-2" } });
  stopOutside(changed).holding().healthy("a");
  const removed = both().deploy("/two", { agents: { b: "b-1" } });
  t.same(removed.phases(), { b: "healthy" });
});

t.test("nothing is rolled back because of stops, however many", async (t) => {
  const s = both().proven();
  s.deploy("/two", { agents: { ...one.agents, a: "a-2" } });
  for (let time = 0; time < 5; time += 1) {
    s.waitUntil(() => s.agent("a").run !== null);
    stopOutside(s);
    start(s);
    s.waitUntil(() => s.agent("a").run !== null);
    stop(s);
    start(s);
  }
  s.exits("a", 2);
  stopOutside(s).wait(3_600_000);
  t.same(s.asked("rollback"), []);
  t.equal(s.current, "/two");
});

t.test(
  "a person who stops the agent that has asked for a rollback leaves it stopped after that",
  async (t) => {
    const s = both().proven();
    s.deploy("/two", { agents: { ...one.agents, a: "a-2" } });
    s.holding("rollback").exits("a", 3);
    t.equal(s.asked("rollback").length, 1);
    stop(s).holding();
    s.wait(3_600_000).survey();
    t.equal(s.current, "/one");
    t.equal(s.agent("a").phase, "stopped");
  },
);

t.test("an agent that is required and stopped holds up the probation", async (t) => {
  for (const halt of [stop, stopOutside]) {
    const s = halt(both());
    s.wait(3_600_000);
    t.equal(s.state.provenSince, null);
    t.equal(s.state.promotion, "pending");
    start(s).proven();
    const optional = halt(story({ agents: { a: { required: false }, b: "b-1" } }).healthy("a", "b"));
    optional.proven();
    t.equal(optional.agent("a").phase, "stopped");
  }
});

t.test(
  "a generation that was left because watchd could not stay up in it is not trusted again",
  async (t) => {
    const s = both().proven();
    s.deploy("/two", { agents: { ...one.agents, a: "a-2" } })
      .proven()
      .switchTo("/one")
      .healthy("a", "b");
    const left = { type: "left-without-watchd", from: "/two", number: 2, incident: "failed-1" } as const;
    s.send(left);
    t.match(s.state.quarantine, [{ path: "/two", number: 2, agent: "watchd", incident: "failed-1" }]);
    t.same(s.state.spentBudget, { "/two": 1 });
    t.match(s.record("generation.quarantine"), {
      subject: "/two",
      severity: "warning",
      incident: "failed-1",
    });
    t.equal(refuseRollback(s.state, "/two"), "quarantined");
    s.send({ ...left, incident: "failed-2" });
    t.equal(s.state.quarantine.length, 1);
    t.same(s.state.spentBudget, { "/two": 2 });
    s.send({ type: "operator-allow", path: "/two" });
    t.same([s.state.quarantine, s.state.spentBudget], [[], {}]);
  },
);

t.test("in a generation whose budget was spent without watchd, watchd does not spend more", async (t) => {
  const s = both().proven();
  s.deploy("/two", { agents: { ...one.agents, a: "a-2" } });
  s.send({ type: "left-without-watchd", from: "/two", number: 2, incident: "failed-1" });
  s.exits("a", 3);
  t.same(s.asked("rollback"), []);
  t.ok(s.agent("a").held);
});

t.test(
  "while somebody else stops it, nobody asks whether it is healthy, however long it takes",
  async (t) => {
    const s = story({ agents: { a: { ...probed } } }).healthy("a");
    s.told();
    const runId = s.agent("a").run?.runId ?? "";
    s.send({ type: "stop-asked", agent: "a", runId });
    s.answers.set("a", { ok: false, latencyMs: 1, reason: "connection refused" });
    s.wait(25_000);
    t.same(s.told(), []);
    s.boot();
    t.equal(s.agent("a").phase, "stopping", "the next watchd does not stop it once more");
    t.equal(s.asked("stop").length, 0);
    stopOutside(s);
    t.match(s.agent("a"), { phase: "stopped", stoppedBy: "outside", failures: [] });
  },
);

t.test("the same where it ends by itself, or nobody sees how", async (t) => {
  for (const ending of [(s: Story) => s.exit("a", 3), (s: Story) => s.vanish("a").wait(10_000).survey()]) {
    const s = both();
    s.send({ type: "stop-asked", agent: "a", runId: s.agent("a").run?.runId ?? "" }).wait(1);
    ending(s);
    t.match(s.agent("a"), { phase: "stopped", stoppedBy: "outside", incident: null });
  }
});

t.test("what a switch has stopped and not started again is started once the switch has ended", async (t) => {
  const s = both().end("a", { kind: "stopped", inSwitch: true });
  t.match(s.agent("a"), { phase: "stopped", stoppedBy: "switch" });
  s.wait(60_000);
  t.equal(starts(s), 1, "in mid-switch nothing is told, and nothing is done");
  s.survey().healthy("a");
  t.equal(starts(s), 2);
});

t.test("leaving a generation without watchd is booked once, however often it is told", async (t) => {
  const s = both();
  const left = { type: "left-without-watchd", from: "/bad", number: 2, incident: "failed-1" } as const;
  s.send(left).send(left);
  t.equal(s.state.spentBudget["/bad"], 1);
  t.equal(s.state.quarantine.length, 1);
});
