import t from "tap";
import { type AgentPlan, type Story, story } from "./fixtures/story.ts";

/*
 * watchd, or all of its machine, gets no processor time: what happened before a switch is heard of after it. It is no evidence
 * against what was switched to.
 */

/** A fleet whose first generation is known-good; the second changes only the host. */
function switched(plan: AgentPlan = {}): { s: Story; before: number; runId: string } {
  const s = story({ agents: { a: { digest: "a-1", restart: { attempts: 2 }, ...plan } } }).proven();
  const before = s.mono;
  const runId = s.agent("a").run?.runId ?? "";
  s.wait(1_000).deploy("/two", {
    agents: { a: { digest: "a-1", restart: { attempts: 2 }, ...plan } },
    hostDigest: "host-2",
  });
  return { s, before, runId };
}

function endsAt({ s, runId, at, code = 1 }: { s: Story; runId: string; at: number; code?: number }): Story {
  s.alive.delete(runId);
  return s.send({ type: "exited", agent: "a", runId, cause: { kind: "exit", code }, at });
}

t.test(
  "an exit from before the switch is a failure, but no evidence against the new generation",
  async (t) => {
    const { s, before, runId } = switched();
    endsAt({ s, runId, at: before });
    t.equal(s.agent("a").failures.length, 1);
    t.equal(s.agent("a").evidence.length, 0);
    t.equal(s.agent("a").failuresInGeneration, 0);
    t.match(s.record("agent.exit").details, { uptimeMs: before - 10_000 });
    s.exits("a", 1);
    t.equal(s.current, "/two", "one failure of two is the new generation's");
  },
);

t.test(
  "an incident that began before the switch is older than the generation, whenever it is heard of",
  async (t) => {
    const { s, before, runId } = switched();
    endsAt({ s, runId, at: before }).exits("a", 2);
    t.equal(s.agent("a").evidence.length, 2, "enough by itself");
    t.match(s.record("agent.hold").details.noRollback, [/^restarts-exhausted/, /^began-after-switch/]);
    t.equal(s.current, "/two");
  },
);

t.test("an exit after the switch is evidence, however late it is heard of", async (t) => {
  const { s, runId } = switched();
  const at = s.mono + 1;
  s.wait(500);
  endsAt({ s, runId, at });
  t.equal(s.agent("a").evidence.length, 1);
  s.exits("a", 1);
  t.equal(s.current, "/one");
});

t.test(
  "who said before the switch that its configuration is wrong is tried once more after it",
  async (t) => {
    const { s, before, runId } = switched();
    endsAt({ s, runId, at: before, code: 78 });
    t.equal(s.agent("a").phase, "backoff");
    t.equal(s.agent("a").misconfigured, false);
  },
);

t.test("after a reboot, all that happens is after the switch", async (t) => {
  const { s } = switched();
  s.wait(60_000).reboot().healthy("a");
  s.exit("a");
  t.equal(s.agent("a").evidence.length, 1);
});
