/**
 * How long a scrape takes with 1,000 agents, and for how long it keeps watchd from its work: the facts that watchd tells come
 * from the real code over a real state, and are asked for by metricsd as it is shipped. A part of `make bench`.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { serveStatus } from "../../packages/base/src/index.ts";
import { Counts } from "../../packages/watchd/src/facts/counts.ts";
import { factsOf } from "../../packages/watchd/src/facts/facts.ts";
import { story } from "../../packages/watchd/src/policy/fixtures/story.ts";
import { figureOf, table } from "./figures.ts";

const noRoutines = {
  stateDir: "/",
  journalOf: () => null,
  now: () => ({ mono: 0, wall: 0 }),
  declared: {},
  engine: null,
};

const agents = 1_000;
const runs = Number(process.env.RUNS ?? 30);
/** What was scraped is good for a second. */
const betweenMs = 1_100;
const program = fileURLToPath(new URL("../../dist/metricsd.mjs", import.meta.url));

const names = Array.from({ length: agents }, (_, index) => `agent-${index}`);
const world = story({ agents: Object.fromEntries(names.map((name) => [name, "digest"])) }).healthy(...names);
const counts = new Counts();
// Every agent has recovered once, so that each has all of its series.
for (const name of names) world.exit(name);
world.wait(60_000);
counts.countAgents(world.records, world.state);
const source = {
  state: world.state,
  current: null,
  runs: world.alive,
  outbox: { connected: true, waiting: [] },
};

const directory = mkdtempSync(join(tmpdir(), "daruma-bench-metrics-"));
const watchdMs: number[] = [];
const ledger = {
  ...{ schemaVersion: 1, entries: 10, signed: 10, witnessed: 0, witnesses: 0, writable: true },
  syncs: { bounds: [1], counts: [1, 0], sum: 0.1 },
};
const onBug = (error: unknown) => {
  throw error;
};
const facts = () => {
  const begun = performance.now();
  const document = factsOf(source, noRoutines, counts);
  JSON.stringify(document);
  watchdMs.push(performance.now() - begun);
  return document;
};
const servers = [
  await serveStatus({ path: join(directory, "watchd.sock"), status: facts, onBug }),
  await serveStatus({ path: join(directory, "ledgerd.sock"), status: () => ledger, onBug }),
];
const metricsd = spawn(
  process.execPath,
  [
    program,
    ...["--watchd", join(directory, "watchd.sock"), "--ledgerd", join(directory, "ledgerd.sock")],
    ...[
      "--socket",
      join(directory, "metrics.sock"),
      "--port",
      "0",
      "--cgroup",
      "/sys/fs/cgroup/system.slice",
    ],
  ],
  { stdio: ["ignore", "pipe", "inherit"] },
);
try {
  const [ready] = await once(metricsd.stdout, "data");
  const { port } = JSON.parse(String(ready));
  const scrapeMs: number[] = [];
  let text = "";
  for (let run = 0; run < runs; run += 1) {
    await pause(betweenMs);
    const begun = performance.now();
    text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    scrapeMs.push(performance.now() - begun);
  }
  if (!text.includes('daruma_up{daemon="watchd"} 1')) throw new Error("watchd was not asked");
  const series = text.split("\n").filter((line) => line !== "" && !line.startsWith("#")).length;
  process.stdout.write(
    table(`a scrape of ${agents} agents, ${series} series, ${(text.length / 1e6).toFixed(1)} MB`, [
      ["from request to the whole answer", figureOf(scrapeMs)],
      ["of that, in watchd", figureOf(watchdMs)],
    ]),
  );
} finally {
  metricsd.kill();
  for (const server of servers) await server?.close();
  rmSync(directory, { recursive: true });
}
