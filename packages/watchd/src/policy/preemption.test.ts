import type { ResourcePolicy } from "@daruma/config";
import t from "tap";
import { type AgentPlan, type Story, story } from "./fixtures/story.ts";

const resources: ResourcePolicy = {
  memoryBytes: null,
  leak: null,
  cpu: null,
  openFiles: 100,
  tasks: null,
  ioBytesPerSecond: null,
  latencyMs: null,
  sustainedMs: 2_000,
  restartWithinMs: 60_000,
};

/** `a` in a generation that has proven itself. */
function proven(plan: AgentPlan = {}): Story {
  const s = story({ agents: { a: { digest: "a-1", resources, ...plan } } }).proven();
  s.told();
  return s;
}

/** Three samples above the bound. */
function hoards(s: Story): Story {
  for (let sample = 0; sample < 3; sample += 1) s.uses("a", { openFiles: 500 }).wait(1_000);
  return s;
}

const idle = (s: Story, forMs: number) =>
  s.send({ type: "idle", agent: "a", runId: s.agent("a").run?.runId ?? "", forMs });

t.test("who uses too much is restarted when it calls itself idle, which is no failure", async (t) => {
  const s = hoards(proven());
  t.same(s.told(), ["agent.overuse"]);
  const before = s.agent("a").run?.runId;
  s.wait(5_000);
  t.equal(s.agent("a").run?.runId, before, "it waits for a moment that suits");
  idle(s, 1_000);
  t.match(s.record("agent.preempt").details, { cause: "resource", moment: "idle", counts: false });
  t.not(s.agent("a").run?.runId, before);
  t.match(s.agent("a"), { incident: null, failures: [], evidence: [], phase: "verifying" });
});

t.test(
  "what uses too much together is restarted one after the other, as the host's policy says",
  async (t) => {
    const names = ["a", "b", "c", "d", "e"];
    const plan = { resources: { ...resources, restartWithinMs: 10_000 }, startupMs: 5_000 };
    const agents = Object.fromEntries(names.map((name) => [name, { ...plan, digest: `${name}-1` }]));
    const s = story({ agents, watchdog: { restartsAtOnce: 2 } }).proven();
    const isDown = (name: string) => s.agent(name).phase !== "healthy";
    const preempted = () => s.records.filter(({ action }) => action === "agent.preempt").length;
    for (let sample = 0; sample < 3; sample += 1) {
      for (const name of names) s.uses(name, { openFiles: 500 });
      s.wait(1_000);
    }
    let most = 0;
    s.waitUntil(() => {
      most = Math.max(most, names.filter(isDown).length);
      return preempted() === names.length && !names.some(isDown);
    });
    t.equal(most, 2);
    t.ok(s.mono < 120_000, "and all of them are");
  },
);

t.test(
  "whom others keep waiting when it is idle takes its turn while it still is, or at the deadline",
  async (t) => {
    const plan = { resources, startupMs: 5_000 };
    const plans = { a: { ...plan, digest: "a-1" }, b: { ...plan, digest: "b-1" } };
    const s = story({ agents: plans, watchdog: { restartsAtOnce: 1 } }).proven();
    hoards(s).exit("b").wait(200);
    idle(s, 3_000);
    t.equal(s.agent("a").phase, "healthy", "another one has fallen");
    s.wait(3_000);
    t.equal(s.agent("a").phase, "healthy");
    s.waitUntil(() => s.agent("b").phase === "healthy").wait(2_000);
    t.equal(s.agent("a").phase, "healthy", "it is idle no longer");
    s.exit("b").waitUntil(() => s.agent("b").run !== null);
    idle(s, 20_000).waitUntil(() => s.agent("a").phase !== "healthy");
    t.equal(s.agent("b").phase, "healthy");
    t.match(s.record("agent.preempt").details, { moment: "idle" });
  },
);

t.test("without such a moment it is restarted at the deadline", async (t) => {
  const s = hoards(proven());
  s.wait(57_000);
  t.equal(s.agent("a").pending?.excess.resource, "openFiles");
  s.wait(3_000);
  t.match(s.record("agent.preempt").details, { moment: "deadline", resource: "openFiles", level: 500 });
});

t.test("who is idle already is restarted at once, and a time that is over counts for nothing", async (t) => {
  const s = proven();
  idle(s, 60_000);
  hoards(s);
  t.ok(s.told().includes("agent.preempt"));
  const late = proven();
  idle(late, 500).wait(1_000);
  t.notOk(hoards(late).told().includes("agent.preempt"));
});

t.test("who lets go of what it used too much of is not restarted any more", async (t) => {
  const s = hoards(proven()).uses("a", { openFiles: 10 });
  t.same(s.told(), ["agent.overuse", "agent.overuse-over"]);
  idle(s, 1_000).wait(120_000);
  t.notOk(s.told().includes("agent.preempt"));
});

t.test("in a generation that has not proven itself it is a failure like any other", async (t) => {
  const s = proven({ restart: { attempts: 2 } });
  const plan = { digest: "a-2", resources: { ...resources, restartWithinMs: 0 }, restart: { attempts: 2 } };
  s.deploy("/two", { agents: { a: plan }, watchdog: { probationMs: 600_000 } });
  for (let time = 0; time < 2; time += 1) hoards(s.healthy("a"));
  t.match(s.record("agent.preempt").details, { cause: "resource", counts: true });
  t.equal(s.current, "/one", "and takes the system back if it happens again and again");
});

t.test("a restart that has not helped often enough is not made again: somebody is told", async (t) => {
  const s = proven({ restart: { attempts: 2 }, resources: { ...resources, restartWithinMs: 0 } });
  for (let time = 0; time < 3; time += 1) hoards(s.healthy("a"));
  t.equal(s.records.filter(({ action }) => action === "agent.preempt").length, 2);
  t.match(s.record("alert.raise").details, { kind: "resource" });
  hoards(s.wait(600_000));
  t.equal(s.records.filter(({ action }) => action === "agent.preempt").length, 3, "the window has passed");
});

t.test("who is never to be restarted is not: somebody is told, once for each run", async (t) => {
  const s = hoards(hoards(proven({ restart: { when: "never" } })));
  t.same(s.told(), ["alert.raise"]);
});

t.test(
  "a deploy after which it is never to be restarted takes back what was waiting for its moment",
  async (t) => {
    const s = hoards(proven());
    t.not(s.agent("a").pending, null);
    s.deploy("/two", { agents: { a: { digest: "a-1", resources, restart: { when: "never" } } } });
    s.wait(120_000);
    t.notOk(s.told().includes("agent.preempt"));
  },
);

t.test("what cannot be measured is said once, and found to be nothing", async (t) => {
  const s = proven().uses("a", { memoryBytes: 1 }).uses("a", { memoryBytes: 1 }).wait(1).uses("a", {});
  t.match(s.record("agent.unmeasured").details, { resources: ["openFiles"] });
  t.same(s.told(), ["agent.unmeasured"]);
});

t.test("while it starts up it may use what it likes", async (t) => {
  const s = story({ agents: { a: { digest: "a-1", startupMs: 60_000, resources } } });
  t.notOk(hoards(s).told().includes("agent.overuse"));
});
