import t from "tap";
import { type AgentPlan, type Story, story } from "./fixtures/story.ts";

const fallback = { digest: "a-safe", command: ["/bin/agent", "--safe"], environment: {} };

/** A fleet of `a` and `b` whose first generation is known-good, and a second one that changes `a`. */
function broken(plan: AgentPlan): Story {
  return story({ agents: { a: { digest: "a-1", ...plan }, b: "b-1" } })
    .proven()
    .deploy("/two", { agents: { a: { digest: "a-2", ...plan }, b: "b-1" } });
}

const alone: AgentPlan = { escalate: ["rollback-agent", "rollback", "alert"] };
const safe: AgentPlan = { escalate: ["fallback", "rollback", "alert"], fallback };

const digests = (s: Story) =>
  s.asked("start").flatMap(({ agent, digest }) => (agent === "a" ? [digest] : []));
const brokenRules = (s: Story, tier: string) => {
  const others = s.record("recovery.escalate").details.others as Record<
    string,
    { rules: { rule: string; holds: boolean }[] }
  >;
  return others[tier]?.rules.flatMap(({ rule, holds }) => (holds ? [] : [rule]));
};

t.test("an agent goes back alone where nothing else has changed, and everybody else stays", async (t) => {
  const s = broken(alone).exits("a", 3);
  t.equal(s.current, "/two", "the system stays");
  t.equal(s.state.rollback, null);
  s.healthy("a");
  t.equal(digests(s).at(-1), "a-1");
  t.match(s.asked("start").at(-1)?.standIn, { kind: "earlier", generation: "/one" });
  t.match(s.record("agent.stand-in").details, { kind: "earlier", generation: "/one", declared: "a-2" });
  t.match(s.state.quarantine, [{ path: "/two", agent: "a", digest: "a-2" }]);
  t.equal(s.agent("a").incident, null, "that was a recovery");
});

t.test("a generation in which a required agent wears other settings is never known-good", async (t) => {
  const s = broken(alone).exits("a", 3).healthy("a").wait(3_600_000);
  t.equal(s.state.promotion, "pending");
  t.equal(s.state.knownGood[0]?.path, "/one");
});

t.test("the whole system goes back where other agents or the host have changed as well", async (t) => {
  for (const change of [
    { agents: { a: { digest: "a-2", ...alone }, b: "b-2" } },
    { agents: { a: { digest: "a-2", ...alone }, b: "b-1" }, hostDigest: "host-2" },
    { agents: { a: { digest: "a-2", ...alone } } },
  ]) {
    const s = story({ agents: { a: { digest: "a-1", ...alone }, b: "b-1" } }).proven();
    s.deploy("/two", change).exits("a", 3);
    t.equal(s.current, "/one");
    t.same(brokenRules(s, "rollback-agent"), ["deploy-changed-agent-alone"]);
  }
});

t.test("the whole system goes back where the earlier settings are damaged", async (t) => {
  const s = story({ agents: { a: { digest: "a-0", ...alone }, b: "b-1" }, hostDigest: "host-0" })
    .proven()
    .deploy("/mid", { agents: { a: { digest: "a-1", ...alone }, b: "b-1" } })
    .proven()
    .deploy("/two", { agents: { a: { digest: "a-2", ...alone }, b: "b-1" } });
  s.damaged.add("/mid");
  s.exits("a", 3);
  t.match(s.record("agent.stand-in-refused").details, { generation: "/mid", damaged: true });
  t.same(s.state.rejected, ["/mid"]);
  t.equal(s.current, "/one");
});

t.test("where a person has begun to go back meanwhile, nobody is started for it at once", async (t) => {
  const s = broken(alone).holding("find-earlier", "rollback").exits("a", 3);
  const starts = digests(s).length;
  s.send({ type: "operator-rollback", target: "/one", targetNumber: 1 });
  // Found while the rollback is under way, which ends after that.
  s.holding();
  t.equal(s.current, "/one");
  t.same(digests(s).slice(starts), ["a-1"], "its attempts with the other settings are used up");
  t.equal(s.agent("a").standIn, null);
  s.healthy("a");
});

t.test("nor is one that says that its configuration is wrong, even if the rollback takes long", async (t) => {
  const s = broken(alone).holding("find-earlier", "rollback").exits("a", 1, 78);
  t.not(s.agent("a").goingBack, null);
  const starts = digests(s).length;
  s.send({ type: "operator-rollback", target: "/one", targetNumber: 1 });
  s.holding("rollback").wait(3_600_000);
  t.equal(digests(s).length, starts, "it is not started in a loop");
  t.equal(s.agent("a").phase, "failed");
  s.holding();
  t.equal(s.current, "/one");
  t.same(digests(s).slice(starts), ["a-1"]);
});

t.test("a person's word for the generation ends the search for earlier settings", async (t) => {
  const s = broken(alone).holding("find-earlier").exits("a", 3);
  s.send({ type: "operator-allow", path: "/two" }).holding().healthy("a");
  t.equal(digests(s).at(-1), "a-2");
  t.same(s.state.quarantine, []);
  t.equal(s.agent("a").standIn, null);
});

t.test("an agent that no known-good generation has cannot go back alone, whatever its name", async (t) => {
  const s = story({ agents: { b: "b-1" } }).proven();
  s.deploy("/two", { agents: { b: "b-1", constructor: { digest: "c-1", ...alone } } });
  s.exits("constructor", 3);
  t.same(s.asked("find-earlier"), []);
  t.equal(s.current, "/one");
});

t.test("the whole system goes back where the earlier settings cannot be had", async (t) => {
  const s = broken(alone).holding("find-earlier").exits("a", 3);
  const id = s.agent("a").goingBack?.id ?? "";
  s.send({
    type: "earlier-refused",
    agent: "a",
    id,
    damaged: false,
    problems: ["it may reach something else"],
  });
  t.same(s.state.rejected, []);
  t.equal(s.current, "/one", "at once, for the same failure");
  t.same(brokenRules(s, "rollback-agent"), ["budget-left"]);
  const { others } = s.record("recovery.escalate").details;
  t.match(JSON.stringify(others), "a cannot go back alone: it may reach something else");
  s.send({ type: "operator-allow", path: "/two" });
  t.same(s.state.keptFromAlone, {});
});

t.test(
  "where the earlier settings fail as well, no generation that has the same is gone back to",
  async (t) => {
    const s = broken(alone).exits("a", 3).exits("a", 3);
    t.equal(s.current, "/two", "it would change nothing for the agent");
    t.equal(s.agent("a").held, true);
    t.equal(s.asked("find-earlier").length, 1, "one for each agent and generation");
  },
);

t.test("the deploy that changes the agent puts what it declares in force again", async (t) => {
  const s = broken(alone).exits("a", 3).healthy("a");
  s.deploy("/three", { agents: { a: { digest: "a-2", ...alone }, b: "b-2" } });
  t.equal(s.agent("a").run?.digest, "a-1", "another agent's change leaves it as it is");
  s.deploy("/four", { agents: { a: { digest: "a-3", ...alone }, b: "b-2" } }).healthy("a");
  t.equal(digests(s).at(-1), "a-3");
  t.equal(s.agent("a").standIn, null);
  t.equal(s.record("agent.stand-in-over").details.why, "deploy");
});

t.test("earlier settings go when the host changes: they were proven on another one", async (t) => {
  const s = broken(alone).exits("a", 3).healthy("a");
  s.deploy("/three", { agents: { a: { digest: "a-2", ...alone }, b: "b-1" }, hostDigest: "host-2" });
  s.healthy("a");
  t.equal(digests(s).at(-1), "a-2");
});

t.test("a person who vouches for the generation puts what it declares in force again", async (t) => {
  const s = broken(alone).exits("a", 3).healthy("a");
  s.send({ type: "operator-allow", path: "/two" }).healthy("a");
  t.equal(digests(s).at(-1), "a-2");
  t.same(s.state.quarantine, []);
  s.exits("a", 3).healthy("a");
  t.equal(digests(s).at(-1), "a-1", "and it may go back alone once more");
});

t.test("what a switch, a reboot and a new watchd find is the same settings", async (t) => {
  const s = broken(alone).exits("a", 3).healthy("a").boot();
  t.equal(s.agent("a").run?.digest, "a-1");
  s.reboot().healthy("a");
  t.equal(digests(s).at(-1), "a-1");
});

t.test("a watchd that comes up while the settings are being verified asks again", async (t) => {
  const s = broken(alone).holding("find-earlier").exits("a", 3);
  const starts = s.asked("start").length;
  s.wait(3_600_000).boot();
  t.equal(s.asked("find-earlier").length, 2);
  t.equal(s.asked("start").length, starts, "until then it is not started");
  s.holding().healthy("a");
  t.equal(digests(s).at(-1), "a-1");
});

t.test("no agent goes back alone for a fault outside, or where there are to be no rollbacks", async (t) => {
  const s = broken(alone).exits("a", 9, 75);
  t.same(s.asked("find-earlier"), []);
  const none = story({ agents: { a: { digest: "a-1", ...alone } }, watchdog: { rollbackBudget: 0 } })
    .proven()
    .deploy("/two", { agents: { a: { digest: "a-2", ...alone } }, watchdog: { rollbackBudget: 0 } })
    .exits("a", 3);
  t.same(none.asked("find-earlier"), []);
});

t.test("the fallback is tried once the attempts are used up, and before the rollback", async (t) => {
  const s = broken(safe).exits("a", 2);
  t.equal(s.agent("a").standIn, null);
  s.exits("a", 1).healthy("a");
  t.equal(digests(s).at(-1), "a-safe");
  t.equal(s.current, "/two");
  t.match(s.record("recovery.escalate").details, { to: "fallback" });
  s.exits("a", 3);
  t.equal(s.current, "/one", "where that fails too, the rollback comes next");
  t.match(s.state.quarantine, [{ path: "/two", digest: "a-2" }]);
});

t.test("without anything to go back to, the fallback still helps", async (t) => {
  const s = story({ agents: { a: { digest: "a-1", ...safe } } })
    .exits("a", 3)
    .healthy("a");
  t.equal(s.agent("a").run?.digest, "a-safe");
  s.exits("a", 3);
  t.equal(s.agent("a").held, true, "it is tried once");
});

t.test("an agent that says that its configuration is wrong gets its fallback at once", async (t) => {
  const s = story({ agents: { a: { digest: "a-1", ...safe } } })
    .exits("a", 1, 78)
    .healthy("a");
  t.equal(s.agent("a").run?.digest, "a-safe");
});

t.test("the order of the tiers is the policy's", async (t) => {
  const s = broken({ escalate: ["rollback-agent", "fallback"], fallback })
    .exits("a", 3)
    .healthy("a");
  t.equal(digests(s).at(-1), "a-1");
  s.exits("a", 3).healthy("a");
  t.equal(digests(s).at(-1), "a-safe");
  s.exits("a", 3);
  t.equal(s.current, "/two");
  t.equal(s.agent("a").held, true);
});

t.test("a run of the declared settings is not kept while others are in force", async (t) => {
  const s = broken(alone).exits("a", 3).healthy("a");
  const { runId, agent } =
    s.agent("a").run === null ? { runId: "", agent: "" } : { runId: "x-1", agent: "a" };
  s.alive.set(runId, { agent, runId, digest: "a-2", pid: 7, startedAt: s.wall });
  s.survey();
  t.ok(s.asked("stop").some((stop) => stop.runId === "x-1"));
  t.equal(s.agent("a").run?.digest, "a-1");
});
