import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { serveUnix } from "@daruma/base";
import { type AppendRequest, connectLedger } from "@daruma/ledger";
import t, { type Test } from "tap";
import { socketsIn } from "../instance/layout.ts";
import { runtimeDirectoryOf } from "../instance/locate.ts";
import type { JudgementsDocument } from "../instance/watchd-client.ts";
import { documents, scratchDirectory } from "../test-support/agentctl.ts";
import { serveLedger } from "../test-support/ledger.ts";
import { startHere } from "../test-support/run-here.ts";
import { explainRollbackCommand } from "./instance-commands.ts";

const held = (rule: string) => ({ rule, holds: true, why: "it is so" });
const not = (rule: string) => ({ rule, holds: false, why: "it is not so" });

const entries: readonly AppendRequest[] = [
  ...[
    { action: "agent.exit", subject: "web", incident: "inc-1", details: { cause: "crash" } },
    {
      action: "recovery.escalate",
      subject: "web",
      incident: "inc-1",
      details: {
        to: "rollback",
        because: ["budget-left: 0 of 1"],
        judgement: { target: "/nix/store/one", toNumber: 1, rules: [held("budget-left")] },
      },
    },
    { action: "generation.rolled-back", subject: "/nix/store/one", incident: "inc-1", details: {} },
    { action: "agent.exit", subject: "web", incident: "inc-2", details: { cause: "crash" } },
    {
      action: "agent.hold",
      subject: "web",
      incident: "inc-2",
      details: {
        noRollback: ["budget-left: 1 of 1"],
        judgement: { target: null, toNumber: null, rules: [held("none-in-progress"), not("budget-left")] },
      },
    },
    {
      action: "agent.hold",
      subject: "old",
      incident: "inc-old",
      details: { noRollback: ["known-good-target: none is left", "rollback rb-1 failed"] },
    },
  ],
];

async function setUp(t: Test, judgements: JudgementsDocument["judgements"] | null, told = entries) {
  const cwd = scratchDirectory(t);
  const ledger = await serveLedger(t, cwd);
  const connection = await connectLedger({ socket: join(dirname(ledger.socket), "watchd.sock") });
  for (const entry of told) await connection.append(entry);
  await connection.close();
  if (judgements !== null) {
    const runtime = await runtimeDirectoryOf(join(cwd, ".daruma"), { XDG_RUNTIME_DIR: cwd });
    const path = socketsIn(runtime).watchd;
    await mkdir(dirname(path), { recursive: true });
    const answer = async () => ({ schemaVersion: 1, judgements });
    const server = await serveUnix({
      path,
      routes: { "GET /v1/judgements": answer },
      onBug: (error) => t.fail(String(error)),
    });
    t.teardown(() => server.close());
  }
  const place = { cwd, environment: { XDG_RUNTIME_DIR: cwd } };
  return (...argv: string[]) =>
    startHere([explainRollbackCommand], ["explain-rollback", ...argv], place).ended;
}

t.test("a decision is told rule by rule, with what came of it, also while watchd is down", async (t) => {
  const explain = await setUp(t, null);
  const { code, stdout } = await explain("inc-1");
  t.equal(code, 0);
  t.match(
    stdout,
    /^web {2}inc-1 {2}\S+ {2}rolled back to generation 1\n {2}✓ budget-left {2}it is so\n {2}→ the target became current\n$/,
  );
  t.match(documents((await explain("inc-2", "--json")).stdout), [
    {
      schemaVersion: 1,
      explanations: [
        {
          incident: "inc-2",
          agent: "web",
          at: /Z$/,
          rollBack: false,
          target: null,
          rules: [held("none-in-progress"), not("budget-left")],
          outcome: null,
        },
      ],
    },
  ]);
});

t.test("an entry from before rules were recorded is explained by its sentences", async (t) => {
  const explain = await setUp(t, []);
  t.match(
    (await explain("inc-old")).stdout,
    / {2}✗ known-good-target {2}none is left\n {2}✗ other {14}rollback rb-1 failed\n/,
  );
});

t.test("without an incident it is how things stand, or else the last decision", async (t) => {
  const open = {
    agent: "web",
    incident: "inc-3",
    target: null,
    toNumber: null,
    rules: [not("restarts-exhausted")],
  };
  const now = await setUp(t, [open]);
  t.match((await now()).stdout, /^web {2}inc-3 {2}now {2}would not be rolled back\n {2}✗ restarts-exhausted/);
  t.match((await now("inc-3")).stdout, /would not be rolled back/);
  const last = await setUp(t, []);
  t.match((await last()).stdout, /^old {2}inc-old/);
  const none = await setUp(t, [], []);
  t.match(await none(), { code: 0, stdout: /^no rollback was decided/ });
});

t.test("an incident that nobody knows is an error, one without a decision is not", async (t) => {
  const explain = await setUp(t, []);
  t.match(await explain("inc-9"), { code: 2, stderr: /INCIDENT_E_UNKNOWN/ });
  const quiet = await setUp(t, [], entries.slice(0, 1));
  t.match(await quiet("inc-1"), { code: 0, stdout: /^no rollback was decided/ });
});
