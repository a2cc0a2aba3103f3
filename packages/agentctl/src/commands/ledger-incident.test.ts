import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type AppendRequest, connectLedger } from "@daruma/ledger";
import t, { type Test } from "tap";
import { documents, scratchDirectory } from "../test-support/agentctl.ts";
import { serveLedger } from "../test-support/ledger.ts";
import { startHere } from "../test-support/run-here.ts";
import { ledgerIncidentCommand } from "./ledger-query-commands.ts";

async function setUp(t: Test, entries: readonly AppendRequest[]) {
  const cwd = scratchDirectory(t);
  const ledger = await serveLedger(t, cwd);
  const connection = await connectLedger({ socket: join(dirname(ledger.socket), "watchd.sock") });
  await Promise.all(entries.map((entry) => connection.append(entry)));
  await connection.close();
  const place = { cwd, environment: { XDG_RUNTIME_DIR: cwd } };
  const run = (...argv: string[]) =>
    startHere([ledgerIncidentCommand], ["ledger", "incident", ...argv], place).ended;
  return { cwd, run };
}

const at = (ms: number) => new Date(Date.UTC(2026, 10, 28, 10) + ms).toISOString();

function entry(
  action: string,
  ms: number,
  details: AppendRequest["details"],
  incident?: string,
  run?: string,
) {
  const about = { ...(incident === undefined ? {} : { incident }), ...(run === undefined ? {} : { run }) };
  const subject = action.startsWith("generation.") ? "/nix/store/abc-daruma" : "loader";
  return { action, subject, ...about, details: { at: at(ms), ...details } };
}

const exit = (ms: number, signal: string, incident: string, run: string) =>
  entry(
    "agent.exit",
    ms,
    { cause: "crash", exit: { kind: "signal", signal }, uptimeMs: 700, phase: "healthy" },
    incident,
    run,
  );

const story: readonly AppendRequest[] = [
  entry("agent.healthy", 0, { afterMs: 5 }),
  exit(1000, "SIGKILL", "inc-1", "run-1"),
  entry("agent.restart", 1001, { restart: 1, delayMs: 100, held: false }, "inc-1"),
  entry(
    "recovery.verified",
    1500,
    {
      cause: "crash",
      restarts: 1,
      rolledBack: false,
      startedAfterMs: 101,
      servingAfterMs: 300,
      verifiedAfterMs: 450,
    },
    "inc-1",
    "run-2",
  ),
  entry(
    "agent.over-memory",
    9000,
    { cause: "memory", bytes: 2_097_152, limitBytes: 1_048_576 },
    "inc-2",
    "run-2",
  ),
  entry(
    "recovery.escalate",
    9100,
    { to: "rollback", because: ["changed: <b>the digest</b> differs"] },
    "inc-2",
  ),
  entry(
    "generation.rollback",
    9200,
    { rollback: "rb-1", by: "policy", from: "/x", fromNumber: 2, toNumber: 1, agent: "loader" },
    "inc-2",
  ),
  entry("generation.rolled-back", 9300, { rollback: "rb-1", from: "/x", tookMs: 100 }, "inc-2"),
];

t.test("incidents are listed, the newest first, with what became of them", async (t) => {
  const { run } = await setUp(t, story);
  const [document] = documents((await run("--json")).stdout);
  t.match(document, {
    schemaVersion: 1,
    incidents: [
      {
        id: "inc-2",
        agent: "loader",
        cause: "memory",
        began: at(9000),
        ended: null,
        outcome: "open",
        durationMs: null,
        rollback: "done",
      },
      {
        id: "inc-1",
        agent: "loader",
        cause: "crash",
        ended: at(1500),
        outcome: "recovered",
        durationMs: 450,
        rollback: "none",
      },
    ],
  });
  t.match((await run("--limit", "1")).stdout, /^INCIDENT .*\ninc-2 +loader +memory .* open +- +done\n$/);
  t.match(await run("--md"), { code: 2 });
  t.match(await run("inc-3"), { code: 2, stderr: /INCIDENT_E_UNKNOWN/ });
});

t.test(
  "a post-mortem tells what was before, the cause, each step with its time, and what came after",
  async (t) => {
    const { cwd, run } = await setUp(t, story);
    const log = join(cwd, ".daruma", "agents", "loader");
    await mkdir(log, { recursive: true });
    await writeFile(join(log, "log"), "last words `of` <the> agent\n");
    const { stdout } = await run("inc-1");
    const parts = [
      /^incident +inc-1\nagent +loader\ncause +crash\nbegan .*\nended .*Z, recovered after 450 ms\n/,
      /\nBefore\n {2}\d{4}-.* healthy after 5 ms\n/,
      /\nCause\n {2}kind: crash \(agent.exit, entry 2, .*\)\n {2}signal: SIGKILL\n {2}run: run-1, 700 ms after its start\n/,
      /\nLog \(not from the ledger: .*log, its last lines as of now: it bears no times\)\n {2}last words `of` <the> agent\n/,
      /\nWhat happened\n {2}\+0 ms {2}loader: was killed by SIGKILL.*\n {2}\+1 ms {2}loader: restart 1 in 100 ms\n {2}\+500 ms {2}loader: recovered/,
      /\nAfter\n {2}\d{4}-.* uses 2\.0 MiB of memory/,
    ];
    for (const part of parts) t.match(stdout, part);
    const [document] = documents((await run("inc-2", "--json")).stdout);
    t.match(document, {
      schemaVersion: 1,
      incident: { id: "inc-2" },
      failures: [
        { seq: 5, cause: "memory", memory: { bytes: 2_097_152, limitBytes: 1_048_576 }, exit: null },
      ],
      steps: [{ afterMs: 0 }, { afterMs: 100 }, { afterMs: 200 }, { afterMs: 300 }],
      leftOut: null,
      rules: [{ allowed: true, rules: ["changed: <b>the digest</b> differs"] }],
      log: { fromLedger: false, lines: ["last words `of` <the> agent"] },
    });
    const markdown = (await run("inc-2", "--md")).stdout;
    t.match(markdown, /^# Incident inc-2\n\n- \*\*incident\*\*: inc-2\n/);
    t.match(markdown, "\n- memory: 2.0 MiB, of 1.0 MiB allowed\n");
    t.match(markdown, "\n- changed: \\<b\\>the digest\\</b\\> differs\n");
    t.match(markdown, "\n```text\nlast words `of` <the> agent\n```\n");
  },
);

t.test("of an incident that goes on for ever the two ends and what decided are shown", async (t) => {
  const restarts = (count: number) =>
    Array.from({ length: count }, (_, n) =>
      entry("agent.restart", 2000 + n, { restart: n, delayMs: 1, held: true }, "inc-1"),
    );
  const hold = entry("agent.hold", 3000, { noRollback: ["changed: nothing differs"] }, "inc-1");
  const { run } = await setUp(t, [
    exit(1000, "SIGSEGV", "inc-1", "run-1"),
    ...restarts(150),
    hold,
    ...restarts(150),
  ]);
  const [document] = documents((await run("inc-1", "--json")).stdout);
  t.match(document, {
    incident: { outcome: "held" },
    leftOut: { after: 100, before: 203 },
    rules: [{ allowed: false }],
  });
  t.equal(Array.isArray(document?.steps) && document.steps.length, 201);
  const [listed] = documents((await run("--json")).stdout);
  t.match(listed, { incidents: [{ id: "inc-1", cause: "crash", outcome: "held" }] });
  t.match((await run("inc-1")).stdout, /of the entries between 100 and 203 only what decided is shown/);
});

t.test("an agent that was given up for its configuration is told like one that is held", async (t) => {
  const { run } = await setUp(t, [
    entry("agent.exit", 1000, { cause: "configuration", exit: { kind: "exit", code: 78 } }, "inc-1", "run-1"),
    entry("agent.give-up", 1001, { noRollback: ["budget-left: 1 of 1"] }, "inc-1"),
  ]);
  const [document] = documents((await run("inc-1", "--json")).stdout);
  t.match(document, {
    incident: { outcome: "held", cause: "configuration" },
    rules: [{ allowed: false, rules: ["budget-left: 1 of 1"] }],
  });
});
