import t from "tap";
import { type AgentPlan, probed, type Story, story } from "./fixtures/story.ts";

/** 15 seconds of silence, and a moment in which the word that is on its way may still be heard. */
const hangMs = 15_250;
const beating = { heartbeat: { through: "http", everyMs: 5_000, silenceMs: 15_000 } } as const;

const alone = (plan: AgentPlan = {}) => story({ agents: { a: { ...beating, ...plan } } });

function beat(s: Story): Story {
  return s.send({ type: "beat", agent: "a", runId: s.agent("a").run?.runId ?? "" });
}

function beats(s: Story, times: number): Story {
  for (let time = 0; time < times; time += 1) beat(s.wait(5_000));
  return s;
}

t.test("an agent that falls silent hangs: it is stopped, restarted and proven anew", async (t) => {
  const s = beats(alone(), 3);
  t.equal(s.agent("a").phase, "healthy");
  s.wait(hangMs - 1);
  t.equal(s.agent("a").incident, null);
  s.wait(1);
  t.match(s.record("agent.hang").details, {
    cause: "hang",
    silentMs: hangMs,
    limitMs: 15_000,
    heardBefore: true,
  });
  t.equal(s.record("agent.stop").details.why, "its heartbeat has stopped");
  s.waitUntil(() => s.agent("a").run !== null);
  beat(s.wait(1_000));
  t.equal(s.record("recovery.verified").details.cause, "hang");
});

t.test("the silence counts from the moment in which the agent is there, not from its start", async (t) => {
  const s = alone().exit("a").holding("start").wait(60_000);
  t.equal(s.agent("a").phase, "starting");
  s.holding().wait(hangMs - 1);
  t.notOk(s.records.some(({ action }) => action === "agent.hang"));
  s.wait(1);
  t.equal(s.record("agent.hang").details.heardBefore, false);
});

t.test("the first word may take as long as starting up may", async (t) => {
  const s = alone({ startupMs: 60_000 }).wait(60_249);
  t.equal(s.agent("a").phase, "verifying");
  s.wait(1);
  t.equal(s.record("agent.hang").details.heardBefore, false);
});

t.test("without a word an agent has not proven itself, however long it has lasted", async (t) => {
  const s = alone().wait(10_000);
  t.equal(s.agent("a").phase, "verifying");
  beat(s);
  t.equal(s.agent("a").phase, "healthy");
});

t.test("a word that was there before the start was reported counts", async (t) => {
  const s = alone().exit("a").wait(100);
  s.exit("a").holding("start").wait(200);
  s.send({ type: "beat", agent: "a", runId: s.agent("a").startingRun?.runId ?? "" });
  s.holding().wait(1_000);
  t.equal(s.agent("a").phase, "healthy");
});

t.test("words of an earlier run say nothing about this one", async (t) => {
  const s = beats(alone(), 1);
  const runId = s.agent("a").run?.runId ?? "";
  s.exit("a").wait(100).wait(2_000).send({ type: "beat", agent: "a", runId });
  t.equal(s.agent("a").phase, "verifying");
});

t.test("it hangs although its health check passes, and is unhealthy although it beats", async (t) => {
  const s = alone(probed).healthy("a").wait(hangMs);
  t.equal(s.agent("a").incident?.cause, "hang");
  const other = beats(alone(probed).healthy("a"), 1);
  other.answers.set("a", { ok: false, latencyMs: 1, reason: "500" });
  beats(other, 2);
  t.equal(other.agent("a").incident?.cause, "unhealthy");
});

t.test(
  "a heartbeat-only judgement never restarts a working agent: a deadline that was slept through is given once more",
  async (t) => {
    const s = beats(alone(), 3);
    // The machine was suspended: nothing has woken us in time.
    s.mono += 3_600_000;
    s.send({ type: "tick" });
    t.equal(s.agent("a").incident, null);
    beats(s, 5);
    t.equal(s.agent("a").phase, "healthy");
    s.wait(hangMs);
    t.equal(s.agent("a").incident?.cause, "hang");
  },
);

t.test("what has come in while watchd was busy is heard before it judges", async (t) => {
  const s = beats(alone(), 3);
  s.mono += 15_800;
  s.send({ type: "tick" });
  beat(s);
  s.wait(10_000);
  t.equal(s.agent("a").phase, "healthy");
});

t.test("silence counts from watchd's own start", async (t) => {
  const s = beats(alone(), 3).wait(14_000).boot();
  s.wait(hangMs - 1);
  t.equal(s.agent("a").incident, null);
  s.wait(1);
  t.equal(s.agent("a").incident?.cause, "hang");
});

t.test("nobody who is being stopped has to beat", async (t) => {
  const s = beats(alone(), 1);
  s.send({ type: "stop-asked", agent: "a", runId: s.agent("a").run?.runId ?? "" }).wait(60_000);
  t.equal(s.agent("a").incident, null);
});

t.test("a hang counts as a failure of the agent's own, and can lead to a rollback", async (t) => {
  const s = alone();
  while (s.agent("a").phase !== "healthy") beat(s.wait(1_000));
  for (let time = 0; time < 13; time += 1) beat(s.wait(5_000));
  s.deploy("/two", { agents: { a: { ...beating, digest: "a-2" } } });
  s.waitUntil(() => s.current === "/one");
  t.equal(s.record("generation.rollback").details.by, "watchd");
  t.equal(s.records.filter(({ action }) => action === "agent.hang").length, 3);
});

t.test("a run that systemd ended for its silence has hung", async (t) => {
  const notify = { heartbeat: { ...beating.heartbeat, through: "notify" } } as const;
  const s = story({ agents: { a: notify } }).wait(120_000);
  t.equal(s.agent("a").phase, "healthy", "and nobody else listens");
  s.end("a", { kind: "watchdog" });
  t.match(s.record("agent.exit").details, { cause: "hang", exit: { kind: "watchdog" } });
});
