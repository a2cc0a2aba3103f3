import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Entry, ledgerActions } from "@daruma/ledger";
import t from "tap";
import { elapsed } from "./elapsed.ts";
import { storyLine } from "./line.ts";
import { knownActions } from "./tellers.ts";

const plain = (_: unknown, text: string) => text;

function entry(action: string, details: Entry["details"], subject = "loader"): Entry {
  return {
    v: 1,
    seq: 7,
    time: "2026-01-02T03:04:05.006Z",
    host: "h",
    actor: "watchd",
    action,
    subject,
    details: { at: "2026-01-02T03:04:05.006Z", severity: "info", ...details },
    prev: "0".repeat(64),
    hash: "0".repeat(64),
  };
}

function told(action: string, details: Entry["details"], subject?: string): string {
  const line = storyLine(entry(action, details, subject), { paint: plain });
  return line.slice(line.indexOf("  ") + 2);
}

t.test("each step of a recovery and a rollback reads as a sentence", async (t) => {
  const exit = { cause: "crash", exit: { kind: "signal", signal: "SIGKILL" }, uptimeMs: 3_200 };
  t.equal(told("agent.exit", exit), "loader        was killed by SIGKILL after 3.2 s");
  const signal = (details: object) =>
    told("agent.exit", { ...exit, exit: { ...exit.exit, ...details }, cause: "killed-by-operator" });
  t.match(signal({}), "was killed by SIGKILL, most likely by a person after");
  t.match(signal({ sentBy: "oom-killer" }), "SIGKILL, for want of memory after");
  t.match(signal({ core: true }), "SIGKILL (core dumped) after");
  t.match(
    told("agent.exit", { exit: { kind: "exit", code: 1 }, uptimeMs: 5 }),
    "exited with code 1 after 5 ms",
  );
  t.match(
    told("agent.exit", { cause: "dependency", exit: { kind: "exit", code: 75 }, uptimeMs: 5 }),
    "exited with code 75, which says that the fault is outside, after 5 ms",
  );
  t.match(told("agent.exit", { exit: { kind: "unknown" }, uptimeMs: 5 }), "adopted");
  t.match(told("agent.restart", { restart: 1, delayMs: 0 }), "restart 1 now");
  t.match(told("agent.restart", { restart: 2, delayMs: 200 }), "restart 2 in 200 ms");
  t.match(
    told("recovery.verified", {
      cause: "crash",
      restarts: 1,
      rolledBack: false,
      startedAfterMs: 4,
      servingAfterMs: 31,
      verifiedAfterMs: 40,
    }),
    "recovered (crash): started after 4 ms, serving after 31 ms, verified after 40 ms; 1 restart",
  );
  t.match(
    told("generation.switch", { number: 2, fromNumber: 1, added: [], changed: ["loader"], removed: ["old"] }),
    "generation 2 is current, before it 1: changed loader; removed old",
  );
  t.match(
    told("generation.rollback", { fromNumber: 2, toNumber: 1, by: "watchd", agent: "loader" }, "/store/x"),
    "generation    rolling back from generation 2 to 1, because of loader",
  );
  t.match(
    told("generation.quarantine", { agent: "loader" }, "/a/b/abc-daruma-h"),
    "abc-daruma-h is quarantined",
  );
});

t.test("no known action is told with a question mark where its usual details are there", async (t) => {
  const details = {
    afterMs: 1,
    uptimeMs: 1,
    cause: "crash",
    exit: { kind: "exit", code: 0 },
    reason: "r",
    bytes: 1,
    limitBytes: 1,
    message: "m",
    code: "C",
    signal: "SIGTERM",
    why: "w",
    pid: 1,
    restart: 1,
    restarts: 1,
    delayMs: 1,
    noRollback: ["n"],
    verifiedAfterMs: 1,
    silentMs: 1,
    to: "rollback",
    number: 1,
    fromNumber: 1,
    toNumber: 1,
    by: "operator",
    tookMs: 1,
    problems: ["p"],
    agent: "a",
    dependency: "d",
    serviceResult: "signal",
    target: "api.example.com:443",
    connections: 2,
    sentBytes: 1,
    receivedBytes: 1,
    trigger: "schedule",
    nominal: "2026-01-01T00:00:00.000Z",
    first: "2026-01-01T00:00:00.000Z",
    last: "2026-01-01T00:00:00.000Z",
    caughtUp: 1,
    from: "2026-01-01T00:00:00.000Z",
    waitsFor: "group",
    attempt: 1,
    attempts: 2,
    latenessMs: 1,
    outcome: "failed",
    pausedBy: "ada",
    pausedMs: 1,
    diff: ["- a", "+ b"],
    remedy: "start it",
    count: "loaded",
    title: "t",
    kept: 1,
    resource: "leak",
    resources: ["memory"],
    stuckMs: 1,
    growthBytes: 1,
    firstBytes: 1,
    lastBytes: 1,
    withinMs: 1,
    overMs: 1,
    level: 2,
    bound: 1,
    moment: "idle",
    value: 1,
  };
  for (const action of knownActions) t.notMatch(told(action, details), /\?/, action);
});

t.test("every action that watchd writes has words of its own", async (t) => {
  const watchd = join(import.meta.dirname, "..", "..", "..", "watchd", "src");
  const files = await readdir(watchd, { recursive: true });
  const sources = files.filter((file) => /^(policy|supervisor)\/.*(?<!\.test)\.ts$/.test(file));
  const texts = await Promise.all(sources.map((file) => readFile(join(watchd, file), "utf8")));
  const actions = texts.flatMap((text) =>
    [...text.matchAll(/action: "([a-z.-]+)"/g)].map((match) => match[1] ?? ""),
  );
  t.ok(actions.length > 20);
  for (const action of actions) t.ok(knownActions.includes(action), action);
  for (const action of Object.keys(ledgerActions).filter((each) => each.startsWith("routine.")))
    t.ok(knownActions.includes(action), action);
});

t.test("an entry without the usual details, or of an unknown action, is told all the same", async (t) => {
  for (const action of [...knownActions, "future.thing", "nodot"]) t.match(told(action, {}), /\S/, action);
  t.match(told("future.thing", { a: 1 }), 'future.thing {"a":1');
});

t.test("a line is one line, and what an agent said cannot steer the terminal", async (t) => {
  const line = told("agent.unhealthy", { reason: "first\nsecond\u001b[2J" });
  t.notMatch(line, /\n/);
  t.notMatch(line, "\u001b");
  t.match(line, "first second");
});

t.test("the time is when it happened, not when it was recorded, and late entries say so", async (t) => {
  const late = entry("agent.healthy", { afterMs: 1, at: "2026-01-02T03:04:01.000Z", late: true });
  const line = storyLine(late, { paint: plain, date: true });
  t.match(line, /^2026-01-0\d \d\d:\d\d:01\.000 /);
  t.match(line, "(recorded late)");
  t.match(storyLine(entry("agent.healthy", { at: "nonsense" }), { paint: plain }), /^\d\d:\d\d:05\.006 /);
});

t.test("good news, warnings and alarms have colours", async (t) => {
  const tagged = (style: unknown, text: string) => `<${String(style)}>${text}`;
  const line = (action: string, severity: string) =>
    storyLine(entry(action, { severity }), { paint: tagged });
  t.match(line("recovery.verified", "info"), "<green>");
  t.match(line("agent.exit", "warning"), "<yellow>");
  t.match(line("alert.raise", "critical"), "<red>");
});

t.test("spans of time are told in two units at most", async (t) => {
  const cases: [number, string][] = [
    [0, "0 ms"],
    [999, "999 ms"],
    [1_000, "1.0 s"],
    [59_949, "59.9 s"],
    [59_950, "1 min"],
    [200_000, "3 min 20 s"],
    [3_599_400, "59 min 59 s"],
    [3_600_000, "1 h"],
    [5 * 3_600_000 + 120_000, "5 h 2 min"],
    [76 * 3_600_000, "3 d 4 h"],
  ];
  for (const [ms, text] of cases) t.equal(elapsed(ms), text);
});
