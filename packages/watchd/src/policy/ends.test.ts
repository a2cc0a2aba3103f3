import t from "tap";
import type { ExitCause } from "../ports.ts";
import { type AgentPlan, probed, type Story, story } from "./fixtures/story.ts";

const killed = { kind: "signal", signal: "SIGKILL" } as const;
const plan: AgentPlan = { digest: "a-2", ...probed };

/** Two known-good generations that differ in `a`; the run of `a` has lasted longer than the probation. */
function longProven(restart: AgentPlan["restart"] = {}): Story {
  const s = story({ agents: { a: { ...plan, digest: "a-1" } } }).proven();
  return s.deploy("/two", { agents: { a: { ...plan, restart } } }).proven();
}

const causeOf = (s: Story) => s.record("agent.exit").details.cause;
const rollbacks = (s: Story) => s.records.filter(({ action }) => action === "generation.rollback");

t.test(
  "a run that has long been proven, and then dies by a signal that people send, was killed",
  async (t) => {
    for (const signal of ["SIGKILL", "SIGTERM", "SIGINT", "SIGHUP"]) {
      const s = longProven().end("a", { kind: "signal", signal });
      t.match(s.record("agent.exit"), { severity: "warning", details: { cause: "killed-by-operator" } });
      s.healthy("a");
      t.match(s.record("recovery.verified").details, { cause: "killed-by-operator", restarts: 1 });
    }
  },
);

t.test("where anything else explains its end, it was not", async (t) => {
  const explained: readonly (readonly [string, ExitCause])[] = [
    ["crash", { kind: "signal", signal: "SIGSEGV" }],
    ["crash", { kind: "exit", code: 137 }],
    ["crash", { kind: "signal", signal: "SIGTERM", core: true }],
    ["crash", { kind: "signal", signal: "SIGKILL", sentBy: "systemd" }],
    ["resource", { kind: "signal", signal: "SIGKILL", sentBy: "oom-killer" }],
  ];
  for (const [cause, end] of explained) t.equal(causeOf(longProven().end("a", end)), cause);
  t.equal(causeOf(longProven({ exits: { SIGKILL: "failure" } }).end("a", killed)), "crash", "it says so");
  const ailing = longProven();
  ailing.answers.set("a", { ok: false, latencyMs: 1, reason: "500" });
  t.equal(causeOf(ailing.waitUntil(() => ailing.agent("a").probe.failing > 1).end("a", killed)), "crash");
  const dead = longProven();
  dead.answers.set("a", { ok: false, latencyMs: 1, reason: "connection refused" });
  dead.waitUntil(() => dead.agent("a").probe.failing > 0).end("a", killed);
  t.equal(causeOf(dead), "killed-by-operator", "the check has met the dead");
});

t.test("a deploy cannot hide behind a signal: what it brings has to have proven itself first", async (t) => {
  const s = story({ agents: { a: { ...plan, digest: "a-1" } } }).proven();
  s.deploy("/two", { agents: { a: plan } })
    .healthy("a")
    .wait(50_000);
  for (const cause of ["crash", "crash", "crash"]) {
    t.equal(causeOf(s.healthy("a").end("a", killed)), cause);
  }
  t.equal(s.current, "/one");
});

t.test(
  "a second death of that kind within the window is a crash, and so is one soon after a start",
  async (t) => {
    const s = longProven().end("a", killed).healthy("a").wait(120_000).end("a", killed);
    t.equal(causeOf(s), "crash");
    t.equal(s.agent("a").evidence.length, 1, "only the second speaks against the generation");
    s.healthy("a").wait(700_000).end("a", killed);
    t.equal(causeOf(s), "killed-by-operator", "the window is over");
    const early = longProven();
    early.send({ type: "replace-asked", agent: "a", runId: early.agent("a").run?.runId ?? "", why: "drift" });
    t.equal(causeOf(early.healthy("a").end("a", killed)), "crash");
  },
);

t.test(
  "a kill counts as an attempt and never leads to a rollback: a person is told, with the reason",
  async (t) => {
    const s = longProven({ attempts: 1 }).end("a", killed);
    t.same(rollbacks(s), []);
    t.match(s.record("alert.raise").details, { kind: "held" });
    t.match(s.record("agent.hold").details, {
      noRollback: [
        "restarts-exhausted: failed 0 of 1 times in this generation within 600000 ms, and 1 more that do not speak against it",
      ],
    });
    s.healthy("a").end("a", killed);
    t.equal(rollbacks(s).length, 1, "a crash does");
  },
);

t.test("an exit with 0 before the first passing check is a failure: nothing has been done", async (t) => {
  const s = story({ agents: { a: { ...plan, digest: "a-1" } } }).proven();
  s.answers.set("a", { ok: false, latencyMs: 1, reason: "connection refused" });
  s.deploy("/two", { agents: { a: plan } }).exit("a", 0);
  t.match(s.record("agent.exit").details, { cause: "crash", exit: { code: 0 } });
  t.not(s.agent("a").phase, "completed");
  s.exits("a", 2, 0);
  t.equal(s.current, "/one", "and takes the system back if it happens again and again");
});

t.test("who has been healthy is done with 0, whether or not this watchd has seen it so", async (t) => {
  const seen = story({ agents: { a: plan } }).healthy("a");
  t.equal(seen.exit("a", 0).agent("a").phase, "completed");
  const adopted = story({ agents: { a: plan } })
    .healthy("a")
    .holding("probe")
    .boot();
  t.equal(adopted.exit("a", 0).agent("a").phase, "completed");
});

t.test("with a heartbeat alone, who has lasted for the start-up time is done with 0", async (t) => {
  const beats = { heartbeat: { through: "notify", everyMs: 500, silenceMs: 2_000 } } as const;
  const early = story({ agents: { a: beats } });
  t.equal(early.wait(900).exit("a", 0).agent("a").phase, "backoff");
  const late = story({ agents: { a: beats } })
    .healthy("a")
    .boot();
  t.equal(late.exit("a", 0).agent("a").phase, "completed");
});

t.test("who may be done before any check says so", async (t) => {
  const s = story({ agents: { a: { ...plan, restart: { exits: { "0": "success" } } } } });
  t.equal(s.exit("a", 0).agent("a").phase, "completed");
});
