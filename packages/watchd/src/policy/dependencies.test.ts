import t from "tap";
import { longestGapMs } from "./dependencies.ts";
import { type Story, story } from "./fixtures/story.ts";

const needy = { dependencies: { db: "tcp://db.example:5432" }, restart: { attempts: 2 } } as const;

/** The second generation changes `a`, and its database has just been reached. */
function deployed(): Story {
  const s = story({ agents: { a: { digest: "a-1", ...needy } } }).proven();
  asked(s.deploy("/two", { agents: { a: { digest: "a-2", ...needy } } }));
  s.told();
  return s;
}

function asked(s: Story, problem: string | null = null): Story {
  return s.send({ type: "dependencies", at: s.mono, found: [{ agent: "a", dependency: "db", problem }] });
}

t.test("what fails while a dependency is not reached is put down to it", async (t) => {
  const s = asked(deployed().wait(1), "connection refused");
  t.match(s.record("dependency.down").details, { dependency: "db", reason: "connection refused" });
  s.exits("a", 4);
  t.match(s.record("agent.exit").details, { cause: "dependency", dependency: "db" });
  t.equal(s.current, "/two");
  t.same(s.agent("a").evidence, []);
  asked(s.wait(1));
  t.equal(s.record("dependency.up").details.dependency, "db");
});

t.test("no rollback is decided before somebody has asked for what the agent needs", async (t) => {
  const s = deployed().wait(1).exits("a", 2);
  t.equal(s.current, "/two");
  t.equal(s.agent("a").awaitsWord, true);
  asked(s.wait(1));
  t.equal(s.current, "/one", "it was there: then the deploy is the cause");
});

t.test("what has failed since a dependency was reached last speaks against nobody", async (t) => {
  const s = deployed().wait(1).exits("a", 2);
  asked(s.wait(1), "connection refused");
  t.match(s.agent("a"), { evidence: [], failures: [], failuresInGeneration: 0 });
  s.exits("a", 3);
  t.equal(s.current, "/two");
});

t.test("when nobody has asked for long, nobody knows what it was for want of", async (t) => {
  const s = deployed().wait(longestGapMs).exits("a", 1);
  asked(s.wait(1));
  t.same(s.agent("a").evidence, []);
});

t.test(
  "an answer that is older than the last says nothing, nor does one about what is not declared",
  async (t) => {
    const s = deployed();
    s.send({ type: "dependencies", at: s.mono - 1, found: [{ agent: "a", dependency: "db", problem: "x" }] });
    s.send({ type: "dependencies", at: s.mono + 1, found: [{ agent: "a", dependency: "no", problem: "x" }] });
    s.send({ type: "dependencies", at: s.mono + 1, found: [{ agent: "b", dependency: "db", problem: "x" }] });
    t.same(s.told(), []);
  },
);
