import t from "tap";
import { type AgentPlan, probed, story } from "./fixtures/story.ts";

const alone = (plan: AgentPlan = {}) => story({ agents: { a: plan } }).healthy("a");

t.test(
  "a crash is answered with one restart after the first delay, and the incident ends with the proof",
  async (t) => {
    const s = alone();
    s.told();
    s.exit("a");
    t.same(s.told(), ["agent.exit", "agent.restart"]);
    s.wait(99);
    t.same(s.told(), []);
    s.wait(1);
    t.same(s.told(), ["agent.start"]);
    s.wait(1_000);
    t.equal(s.agent("a").phase, "healthy");
    t.equal(s.agent("a").incident, null);
    t.same(s.told(), ["recovery.verified"]);
  },
);

t.test("each failure within the window doubles the delay", async (t) => {
  const s = alone({ restart: { attempts: 10 } });
  s.exits("a", 4);
  t.same(
    s.records.filter(({ action }) => action === "agent.restart").map(({ details }) => details.delayMs),
    [100, 200, 400, 800],
  );
});

t.test("failures that have left the window do not count any more", async (t) => {
  const s = alone();
  s.exits("a", 2).wait(600_000).exit("a");
  t.equal(s.record("agent.restart").details.delayMs, 100);
  t.equal(s.agent("a").held, false);
});

t.test("a healthy moment does not clear the window: who flaps runs out of attempts", async (t) => {
  const s = alone();
  for (let flap = 0; flap < 3; flap += 1) s.healthy("a").wait(10_000).exit("a");
  t.equal(s.agent("a").held, true);
});

t.test(
  "an agent that is out of attempts is held at the longest delay, with one alert for the incident",
  async (t) => {
    const s = alone();
    s.exits("a", 5);
    t.equal(s.agent("a").held, true);
    t.equal(s.record("agent.restart").details.delayMs, 30_000);
    t.equal(s.records.filter(({ action }) => action === "alert.raise").length, 1);
    t.equal(s.records.filter(({ action }) => action === "agent.hold").length, 1);
    t.ok(
      (s.record("agent.hold").details.noRollback as string[]).some((why) =>
        why.startsWith("known-good-target"),
      ),
    );
  },
);

t.test("a hold does not end because the window slides on, but with the proof of health", async (t) => {
  const s = alone({ restart: { attempts: 2, withinMs: 10_000 } });
  s.exits("a", 3).wait(30_000).exit("a");
  t.equal(s.record("agent.restart").details.delayMs, 30_000);
  s.wait(30_000).wait(1_000);
  t.equal(s.agent("a").phase, "healthy");
  t.equal(s.agent("a").held, false);
});

t.test("a hold never turns into a storm, however short the policy's longest delay is", async (t) => {
  const backoff = { initialMs: 1, factor: 1, maxMs: 2, jitter: 0 };
  const s = alone({ restart: { attempts: 1, backoff } });
  s.exit("a");
  t.equal(s.record("agent.restart").details.delayMs, 1_000);
});

t.test("an exit with 0 ends the agent where it is restarted on failure only, or never", async (t) => {
  for (const when of ["on-failure", "never"] as const) {
    const s = alone({ restart: { when } });
    s.exit("a", 0);
    t.equal(s.agent("a").phase, "completed", when);
    t.equal(s.agent("a").run, null);
    s.wait(3_600_000);
    t.equal(s.asked("start").length, 1);
  }
});

t.test("an exit with 0 is a failure where the agent is to run always", async (t) => {
  const s = alone({ restart: { when: "always" } });
  s.exit("a", 0);
  t.equal(s.agent("a").phase, "backoff");
  s.exits("a", 2, 0);
  t.equal(s.agent("a").held, true);
});

t.test("an agent that is never restarted stays down after a failure, with an alert", async (t) => {
  const s = alone({ restart: { when: "never" } });
  s.exit("a").wait(3_600_000);
  t.equal(s.agent("a").phase, "failed");
  t.equal(s.record("alert.raise").details.kind, "failed");
});

t.test("exit code 75 backs off, alerts once, and uses up no attempt", async (t) => {
  const s = alone({ restart: { attempts: 2 } });
  s.exits("a", 6, 75);
  t.equal(s.agent("a").held, false);
  t.same(s.agent("a").failures, []);
  t.same(
    s.records.filter(({ action }) => action === "agent.restart").map(({ details }) => details.delayMs),
    [100, 200, 400, 800, 1_600, 3_200],
  );
  t.equal(s.records.filter(({ action }) => action === "alert.raise").length, 1);
});

t.test("being well for a moment does not make an agent that exits with 75 restart fast again", async (t) => {
  const s = alone();
  for (let flap = 0; flap < 5; flap += 1) s.healthy("a").exit("a", 75);
  t.equal(s.record("agent.restart").details.delayMs, 1_600);
});

t.test(
  "an agent that is held stays at the longest delay when it says that the fault is outside",
  async (t) => {
    const s = alone();
    s.exits("a", 3).exits("a", 1, 75);
    t.equal(s.record("agent.restart").details.delayMs, 30_000);
    t.equal(s.record("alert.raise").details.kind, "outside");
  },
);

t.test("an agent that cannot be started fails like one that exits", async (t) => {
  const s = alone();
  s.exit("a").holding("start").wait(100);
  const runId = s.agent("a").startingRun?.runId ?? "";
  s.send({ type: "start-failed", agent: "a", runId, code: "AGENT_E_COMMAND_NOT_FOUND", message: "gone" });
  t.equal(s.agent("a").phase, "backoff");
  t.equal(s.record("agent.start-failed").details.code, "AGENT_E_COMMAND_NOT_FOUND");
  t.equal(s.record("agent.restart").details.delayMs, 200);
});

t.test("an agent over its memory limit is stopped and restarted", async (t) => {
  const s = alone({ limits: { memoryBytes: 1_000 } });
  const runId = s.agent("a").run?.runId ?? "";
  s.told();
  s.uses("a", { memoryBytes: 1_000 });
  t.same(s.told(), [], "the limit itself is allowed");
  s.uses("a", { memoryBytes: 1_001 });
  t.same(s.told(), ["agent.over-memory", "agent.stop", "agent.stopped", "agent.restart"]);
  s.wait(100).uses("a", { memoryBytes: 5_000 }, runId);
  t.equal(s.agent("a").phase, "verifying", "what an earlier run used is no news");
});

t.test("a process that is gone before its start was reported has failed once", async (t) => {
  const s = alone();
  s.exit("a").holding("start").wait(100);
  const [start] = s.held;
  s.exit("a");
  t.equal(s.agent("a").phase, "backoff");
  t.equal(s.agent("a").failures.length, 2);
  s.holding();
  t.equal(start?.type, "start");
  t.equal(s.agent("a").phase, "backoff", "the late news of its start changes nothing");
});

t.test("news that comes twice is news once", async (t) => {
  const s = alone();
  const runId = s.agent("a").run?.runId ?? "";
  s.exit("a");
  s.send({ type: "exited", agent: "a", runId, cause: { kind: "exit", code: 1 }, at: s.mono });
  t.equal(s.agent("a").failures.length, 1);
  s.wait(100);
  s.send({ type: "exited", agent: "a", runId, cause: { kind: "exit", code: 1 }, at: s.mono });
  t.equal(s.agent("a").phase, "verifying");
});

t.test("an exit that nobody saw the cause of slows the restarts down", async (t) => {
  const s = alone();
  s.vanish("a").wait(1).survey();
  t.equal(s.record("agent.exit").details.cause, "crash");
  t.same(s.record("agent.exit").details.exit, { kind: "unknown" });
  t.equal(s.agent("a").failures.length, 1);
  t.same(s.agent("a").evidence, []);
});

t.test(
  "an agent whose stop fails is asked again, ever more slowly, and never started beside itself",
  async (t) => {
    const s = alone({ limits: { memoryBytes: 1 } }).holding("stop");
    const runId = s.agent("a").run?.runId ?? "";
    s.uses("a", { memoryBytes: 2 });
    const failed = { type: "stop-failed", agent: "a", runId, message: "still there" } as const;
    s.send(failed);
    t.equal(s.record("alert.raise").details.kind, "stuck");
    s.wait(999);
    t.equal(s.asked("stop").length, 1);
    s.wait(1);
    t.equal(s.asked("stop").length, 2);
    s.send(failed).wait(1_999);
    t.equal(s.asked("stop").length, 2);
    s.wait(1);
    t.equal(s.asked("stop").length, 3);
    for (let time = 0; time < 10; time += 1) s.send(failed).wait(60_000);
    t.equal(s.asked("start").length, 1);
    t.equal(s.records.filter(({ action }) => action === "agent.stop").length, s.asked("stop").length);
    s.holding();
    t.equal(s.agent("a").phase, "backoff");
  },
);

t.test("an agent's own map says what its exit codes and signals mean", async (t) => {
  const exits = { "3": "temporary", "4": "configuration", "75": "failure", SIGUSR1: "success" } as const;
  const mapped = () => alone({ restart: { exits } });
  t.equal(mapped().exit("a", 3).record("agent.exit").details.cause, "dependency");
  const wrong = mapped().exit("a", 4);
  t.match([wrong.record("agent.exit").details.cause, wrong.agent("a").phase], ["configuration", "failed"]);
  t.equal(mapped().exit("a", 75).record("agent.exit").details.cause, "crash");
  t.equal(mapped().end("a", { kind: "signal", signal: "SIGUSR1" }).agent("a").phase, "completed");
  const other = mapped().end("a", { kind: "signal", signal: "SIGUSR2" });
  t.equal(other.record("agent.exit").details.cause, "crash");
  t.equal(
    mapped().exit("a", 78).agent("a").phase,
    "failed",
    "what it does not name means what it always does",
  );
  const zero = alone({ restart: { exits: { "0": "failure" } } }).exit("a", 0);
  t.equal(zero.agent("a").phase, "backoff");
});

t.test("who is to be restarted always is restarted, whatever its end means", async (t) => {
  const s = alone({ restart: { when: "always", exits: { "3": "success" } } }).exit("a", 3);
  t.equal(s.agent("a").phase, "backoff");
});

t.test(
  "what falls together does not rise together: as many start up at once as the host's policy says",
  async (t) => {
    const names = ["a", "b", "c", "d", "e"];
    const agents = Object.fromEntries(names.map((name) => [name, {}]));
    const s = story({ agents, watchdog: { restartsAtOnce: 2 } }).healthy(...names);
    for (const name of names) s.exit(name);
    const rising = () =>
      Object.values(s.state.agents).filter(({ run, incident }) => run !== null && incident !== null).length;
    let most = 0;
    while (names.some((name) => s.agent(name).phase !== "healthy")) {
      s.wait(50);
      most = Math.max(most, rising());
    }
    t.equal(most, 2);
  },
);

const oneAtOnce = () => {
  const backoff = { kind: "immediate", initialMs: 0, factor: 1, maxMs: 1, jitter: 0 } as const;
  const agents = { falls: { startupMs: 60_000, restart: { attempts: 1000, backoff } }, waits: {} };
  return story({ agents, watchdog: { restartsAtOnce: 1 } }).healthy("falls", "waits");
};

t.test(
  "one that falls again at once keeps nobody waiting for good: who has waited longest is next",
  async (t) => {
    const s = oneAtOnce().exit("falls").exit("waits").wait(200);
    t.match(s.agent("waits"), { phase: "backoff", run: null });
    s.exit("falls");
    t.equal(s.agent("falls").run, null, "it waits now, though its policy says at once");
    s.wait(1_000);
    t.not(s.agent("waits").run, null);
    s.wait(3_000);
    t.equal(s.agent("waits").phase, "healthy");
    t.not(s.agent("falls").run, null);
  },
);

t.test("whom a person starts waits for no turn", async (t) => {
  const s = oneAtOnce().exit("falls").exit("waits").wait(200);
  s.send({ type: "operator-start", agent: "waits" }).wait(0);
  t.not(s.agent("waits").run, null);
  t.equal(s.agent("waits").turnSince, null);
});

t.test("one that never comes up holds nobody else up for good", async (t) => {
  const s = story({
    agents: { sick: probed, well: {} },
    watchdog: { restartsAtOnce: 1 },
  }).healthy("sick", "well");
  s.answers.set("sick", { ok: false, latencyMs: 1, reason: "503", dependency: "db" });
  s.exit("sick").exit("well").wait(5_000);
  t.equal(s.agent("sick").phase, "verifying");
  t.equal(s.agent("well").phase, "healthy");
});

t.test(
  "exit code 78 says that starting again is no use: one alert, and nothing until a person starts it",
  async (t) => {
    const s = alone();
    s.told();
    s.exit("a", 78);
    t.equal(s.record("agent.exit").details.cause, "configuration");
    t.same(s.told(), ["agent.exit", "agent.give-up", "alert.raise"]);
    s.wait(3_600_000);
    t.same(s.told(), [], "it is left alone");
    t.equal(s.agent("a").phase, "failed");
    s.send({ type: "operator-start", agent: "a" });
    t.same(s.told(), ["agent.released", "agent.start"]);
    s.wait(1_000);
    t.equal(s.agent("a").phase, "healthy");
  },
);

t.test(
  "an agent that said so is tried again by the next deploy, for what it reads may have changed",
  async (t) => {
    const s = alone().exit("a", 78);
    s.told();
    s.deploy("/two", { agents: { a: {} } });
    t.ok(s.told().includes("agent.start"));
    t.equal(s.agent("a").misconfigured, false);
  },
);

t.test("the same where it is always to run, and where it is never to be restarted", async (t) => {
  for (const when of ["always", "never"] as const) {
    const s = alone({ restart: { when } });
    s.exit("a", 78).wait(600_000);
    t.equal(s.agent("a").phase, "failed", when);
  }
});
