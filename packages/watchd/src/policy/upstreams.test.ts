import t from "tap";
import { probed, type Story, story } from "./fixtures/story.ts";
import { upstreamGraceMs } from "./upstreams.ts";

/** `a` and `b`, known-good; then a deploy that changes `a`. */
function changed(plan = {}): Story {
  return story({ agents: { a: "a-1", b: "b-1" } })
    .proven()
    .deploy("/two", { agents: { a: { digest: "a-2", ...plan }, b: "b-1" } });
}

const down = (s: Story, ...agents: string[]) =>
  s.send({ type: "upstreams", down: Object.fromEntries(agents.map((name) => [name, "db.test:5432"])) });
const rollbacks = (s: Story) => s.records.filter(({ action }) => action === "generation.rollback").length;

t.test(
  "failures while egressd finds the upstream down back off, alert once, and never roll back",
  async (t) => {
    const s = down(changed(), "a", "b").exits("a", 20);
    t.equal(rollbacks(s), 0);
    t.match(s.record("agent.exit").details, { cause: "dependency", upstream: "db.test:5432" });
    t.equal(s.records.filter(({ action }) => action === "alert.raise").length, 1);
    t.ok(Number(s.record("agent.restart").details.delayMs) >= 15_000, "slower and slower");
    t.equal(s.agent("a").held, false);
    s.healthy("a");
    t.match(s.record("recovery.verified").details, { cause: "dependency", rolledBack: false });
  },
);

t.test("a health check that fails meanwhile is put down to it as well", async (t) => {
  const s = changed({ ...probed, startupMs: 1_000 });
  down(s, "a", "b").answers.set("a", { ok: false, latencyMs: 1, reason: "500" });
  s.wait(900_000);
  t.equal(rollbacks(s), 0);
  t.match(s.record("agent.unhealthy").details, { cause: "dependency", upstream: "db.test:5432" });
});

t.test("it explains failures for a while after it is over, and then no longer", async (t) => {
  const s = down(changed(), "a", "b").exits("a", 2);
  down(s).exits("a", 1);
  t.equal(s.record("agent.exit").details.cause, "dependency");
  s.wait(upstreamGraceMs).exits("a", 3);
  t.equal(rollbacks(s), 1);
});

t.test("it explains nothing of other agents, nor what the agent says of itself", async (t) => {
  t.equal(rollbacks(down(changed(), "b").exits("a", 3)), 1, "not of an agent that has not tried it");
  t.equal(rollbacks(down(changed(), "a", "b").exits("a", 1, 78)), 0);
  const s = down(changed(), "a", "b").exits("a", 1, 78);
  t.match(s.record("agent.exit").details.cause, "configuration");
  t.match(s.record("agent.give-up").details.noRollback, [
    /^fault-not-external: egressd does not reach db\.test/,
  ]);
});

t.test("a watchd that comes up believes nothing of what an earlier one heard", async (t) => {
  const s = down(changed(), "a", "b").exits("a", 1).boot();
  t.same(s.state.upstreamsDown, {});
  t.equal(rollbacks(s.exits("a", 3)), 1);
});
