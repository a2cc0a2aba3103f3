import t from "tap";
import { probed, story } from "./fixtures/story.ts";

/* The machine stood still, or watchd did: nothing has woken the core for an hour. */

const hour = 3_600_000;
const knownGood = (s: ReturnType<typeof story>) => s.state.knownGood.map(({ path }) => path);

t.test("a gap in start-up is no time to start up in", async (t) => {
  const s = story({ agents: { a: { ...probed, startupMs: 60_000 } } });
  s.answers.set("a", { ok: false, latencyMs: 1, reason: "connection refused" });
  s.wait(10_000);
  t.equal(s.agent("a").phase, "verifying");
  s.mono += hour;
  s.send({ type: "tick" }).wait(40_000);
  t.equal(s.agent("a").incident, null, "50 of its 60 s have passed");
  s.wait(30_000);
  t.equal(s.agent("a").incident?.cause, "unhealthy");
});

t.test("a gap is no probation", async (t) => {
  const s = story({ agents: { a: "a-1" } })
    .healthy("a")
    .wait(30_000);
  s.mono += hour;
  s.send({ type: "tick" }).wait(29_000);
  t.same(knownGood(s), []);
  s.wait(1_000);
  t.same(knownGood(s), ["/one"]);
});

t.test("what is above its bound before a gap and after it has not been for so long", async (t) => {
  const resources = {
    ...{ memoryBytes: 100, leak: null, cpu: null, openFiles: null, tasks: null, ioBytesPerSecond: null },
    ...{ latencyMs: null, sustainedMs: 60_000, restartWithinMs: 0 },
  };
  const s = story({ agents: { a: { resources } } }).healthy("a");
  const runId = s.agent("a").run?.runId ?? "";
  const uses = () => {
    const usage = { memoryBytes: 200, cpuMs: 0, openFiles: 1, tasks: 1, ioBytes: 0 };
    s.send({ type: "usage", at: s.mono, runs: [{ agent: "a", runId, usage }] });
  };
  uses();
  s.wait(5_000);
  uses();
  s.mono += hour;
  uses();
  s.wait(1_000);
  t.equal(s.agent("a").run?.runId, runId);
  for (let seconds = 0; seconds < 60; seconds += 10) {
    uses();
    s.wait(10_000);
  }
  uses();
  s.wait(1_000);
  t.ok(s.records.some(({ action }) => action === "agent.preempt"));
});
