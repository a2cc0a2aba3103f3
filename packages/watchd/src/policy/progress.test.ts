import t from "tap";
import { type Story, story } from "./fixtures/story.ts";

const plan = { digest: "a-1", progress: { withinMs: 10_000 } } as const;

function working(): Story {
  const s = story({ agents: { a: plan } }).healthy("a");
  s.told();
  return s;
}

const runOf = (s: Story) => s.agent("a").run?.runId ?? "";
const tells = (s: Story, count: number) => s.send({ type: "progress", agent: "a", runId: runOf(s), count });

t.test("a counter that stops rising is a hang", async (t) => {
  const s = tells(working(), 1);
  tells(s.wait(9_000), 2).wait(9_999);
  t.same(s.told(), []);
  s.wait(1_000);
  t.match(s.record("agent.stuck").details, { cause: "hang", count: 2, limitMs: 10_000 });
  t.equal(s.record("agent.stop").details.why, "its work does not get on");
});

t.test(
  "to tell the same, or less, is no progress; a counter that begins anew may rise from there",
  async (t) => {
    const s = tells(working(), 100);
    tells(tells(s.wait(5_000), 100), 3);
    s.wait(4_000);
    tells(s, 4).wait(9_000);
    t.same(s.told(), []);
    tells(s, 4).wait(2_000);
    t.ok(s.told().includes("agent.stuck"));
  },
);

t.test("who is idle need not get on, for as long as it says", async (t) => {
  const s = tells(working(), 1);
  s.send({ type: "idle", agent: "a", runId: runOf(s), forMs: 60_000 }).wait(69_000);
  t.notOk(s.told().includes("agent.stuck"));
  s.wait(2_000);
  t.ok(s.told().includes("agent.stuck"));
});

t.test("who never tells anything is stuck as well, once it has had the time to start up", async (t) => {
  const s = story({ agents: { a: { ...plan, startupMs: 30_000 } } });
  s.wait(29_000);
  t.notOk(s.told().includes("agent.stuck"));
  s.wait(2_000);
  t.ok(s.told().includes("agent.stuck"));
});

t.test("a deadline that was slept through is given once more", async (t) => {
  const s = tells(working(), 1);
  s.mono += 60_000;
  s.send({ type: "tick" });
  tells(s.wait(9_000), 2).wait(5_000);
  t.notOk(s.told().includes("agent.stuck"));
});
