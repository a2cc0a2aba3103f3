import t from "tap";
import { lintDefaults } from "./lints.ts";
import { describeOptions } from "./options.ts";
import { agentPath, agentProblems, minimalAgent, problemsIn } from "./test-support.ts";

t.test("the defaults that lints assume are those of the schema", async (t) => {
  const rows = describeOptions();
  for (const [name, value] of Object.entries(lintDefaults)) {
    const row = rows.find(
      ({ path }) => path.at(-1) === name && (path.includes("restart") || path.includes("heartbeat")),
    );
    t.equal(row?.default, value, name);
  }
});

t.test("a backoff whose most is less than its first delay is refused, also against a default", async (t) => {
  t.same(agentProblems({ restart: { backoff: { initial: "10s", max: "5s" } } }), ["restart.backoff.max"]);
  t.same(agentProblems({ restart: { backoff: { initial: "1m" }, within: "1h" } }), ["restart.backoff.max"]);
  t.same(agentProblems({ restart: { backoff: { initial: "5s", max: "5s" } } }), []);
});

t.test("more attempts than the delays leave room for in the window are refused", async (t) => {
  t.same(agentProblems({ restart: { attempts: 100, within: "1m" } }), ["restart.attempts"]);
  t.same(agentProblems({ restart: { attempts: 100, within: "1d" } }), []);
  t.same(agentProblems({ restart: { attempts: 1, within: "1ms" } }), []);
  const steady = { initial: "10s", factor: 1, max: "10s", jitter: 0 };
  t.same(agentProblems({ restart: { attempts: 4, within: "30s", backoff: steady } }), ["restart.attempts"]);
  t.same(agentProblems({ restart: { attempts: 4, within: "31s", backoff: steady } }), []);
  t.same(agentProblems({ restart: { attempts: 4, within: "16s", backoff: { ...steady, jitter: 0.5 } } }), []);
});

t.test("what is to be looked for in an answer has to be a JSON Pointer", async (t) => {
  const health = (json: object) => agentProblems({ health: { http: "http://h/", expect: { json } } });
  t.same(health({ status: "ok" }), ["health.expect.json.status"]);
  t.same(health({ "/a~2": 1, "": 1 }), ['health.expect.json[""]', 'health.expect.json["/a~2"]']);
  t.same(health({ "/a~1b~0/0": 1, "/": null }), []);
});

t.test("a silence that an agent which beats in time could not avoid is refused", async (t) => {
  const beating = (timing: object) => agentProblems({ heartbeat: { through: "http", ...timing } });
  t.same(beating({ every: "15s" }), ["heartbeat.silence"]);
  t.same(beating({ silence: "5s" }), ["heartbeat.silence"]);
  t.same(beating({ every: "1s", silence: "2s" }), []);
  t.same(beating({}), []);
});

t.test("a delay that does not grow leaves room for more attempts than one that does", async (t) => {
  const room = (kind: string) =>
    agentProblems({ restart: { attempts: 20, within: "1m", backoff: { kind, jitter: 0 } } });
  t.same(room("exponential"), ["restart.attempts"]);
  t.same([room("linear"), room("fixed"), room("immediate")], [[], [], []]);
});

t.test("the ends of an agent are named by exit code or signal", async (t) => {
  const named = (end: string) => agentProblems({ restart: { exits: { [end]: "failure" } } });
  for (const end of ["0", "75", "255", "SIGKILL"]) t.same(named(end), [], end);
  for (const end of ["256", "-1", "03", "kill", "SIGCHLD", "SIGSTOP", "constructor"])
    t.equal(named(end).length, 1, end);
});

t.test("two agents of one host cannot share a health URL, two hosts can", async (t) => {
  const probed = (http: string) => ({ ...minimalAgent, health: { http } });
  const host = (agents: object) => ({ system: "x86_64-linux", agents });
  const shared = host({ one: probed("http://127.0.0.1:80/h"), two: probed("http://127.0.0.1/h") });
  t.match(problemsIn({ hosts: { a: shared } }), [
    { path: "hosts.a.agents.two.health.http", message: /"one"/ },
  ]);
  const single = host({ one: probed("http://127.0.0.1:80/h") });
  t.same(problemsIn({ hosts: { a: single, b: single } }), []);
});

t.test("contradictions are found beside values that the schema refuses", async (t) => {
  const paths = agentProblems({
    startup: "x",
    restart: { backoff: { initial: "10s", max: "5s", jitter: 9 } },
  });
  t.same(paths, ["restart.backoff.jitter", "restart.backoff.max", "startup"]);
});

t.test("names are checked wherever the user chooses them", async (t) => {
  const paths = agentProblems({ environment: { "a b": "1", DARUMA_X: "2" }, credentials: { "a/b": "/x" } });
  t.same(paths, [
    'credentials["a/b"]',
    "environment.DARUMA_X",
    `${agentPath}.environment["a b"]`.replace(`${agentPath}.`, ""),
  ]);
});
