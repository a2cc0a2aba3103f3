/**
 * `make bench-supervisors`: a crash, a hang and a bad deploy under Daruma (`agentctl dev`) and, in the same run with the same
 * program, under supervisord, PM2 and s6 with their own defaults. RUNS crashes (30), a tenth as many hangs and bad deploys, of
 * which each that nobody mends takes 15 s. systemd is in `scripts/bench/main.ts`, which needs a test host. `--json` for programs.
 */
import { cpSync, mkdirSync, mkdtempSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { messageOf } from "@daruma/base";
import { execa } from "execa";
import { DevSession } from "../../session/dev-session.ts";
import { percentile } from "../figures.ts";
import { type Footprint, footprints } from "./footprint.ts";
import { type Place, peers } from "./peers.ts";
import { badDeploy, crash, hang, patienceMs, settled } from "./trials.ts";

const crashes = Number(process.env.RUNS ?? 30);
const others = Math.max(1, Math.round(crashes / 10));
const asJson = process.argv.includes("--json");
const firstPort = 18_590;
const echo = join(import.meta.dirname, "..", "fleet", "echo");
const broken = "process.exit(1);\n";

/** Milliseconds; null: nobody was served again within the patience. */
interface Trials {
  readonly crash: readonly (number | null)[];
  readonly hang: readonly (number | null)[];
  readonly badDeploy: readonly (number | null)[];
}

interface Result {
  readonly name: string;
  readonly version: string;
  /** A text says why there are none. */
  readonly trials: Trials | string;
}

const root = realpathSync(mkdtempSync(join(tmpdir(), "daruma-supervisors-")));
try {
  const results: Result[] = [await daruma()];
  for (const [index, [name, start]] of peers.entries()) results.push(await measured(name, start, index + 1));
  if (!asJson) report(results);
  const sizes = await footprints(join(root, "footprint"));
  if (asJson)
    process.stdout.write(`${JSON.stringify({ schemaVersion: 1, patienceMs, results, footprints: sizes })}\n`);
  else reportSizes(sizes);
} finally {
  await execa("chmod", ["-R", "u+w", root], { reject: false });
  await rm(root, { recursive: true, force: true, maxRetries: 5 });
}

function placeOf(index: number): Place {
  const directory = join(root, String(index));
  const port = firstPort + index;
  mkdirSync(join(directory, "echo"), { recursive: true });
  cpSync(echo, join(directory, "echo"), { recursive: true });
  return { directory, program: join(directory, "echo", "main.js"), port };
}

async function tried({ port, program }: Place, redeploy: () => Promise<void>): Promise<Trials> {
  const repeat = async (times: number, trial: () => Promise<number | null>) => {
    const took: (number | null)[] = [];
    for (let run = 0; run < times; run += 1) took.push(await trial());
    return took;
  };
  const crashed = await repeat(crashes, () => crash(port));
  const hung = await repeat(others, () => hang(port));
  const deployed = await repeat(others, async () => {
    const took = await badDeploy(port, async () => {
      writeFileSync(program, broken);
      await redeploy();
    });
    cpSync(echo, join(program, ".."), { recursive: true });
    await redeploy();
    await settled(port);
    return took;
  });
  return { crash: crashed, hang: hung, badDeploy: deployed };
}

async function measured(name: string, start: (typeof peers)[number][1], index: number): Promise<Result> {
  const place = placeOf(index);
  try {
    const peer = await start(place);
    try {
      return { name, version: peer.version, trials: await tried(place, peer.redeploy) };
    } finally {
      await peer.stop();
    }
  } catch (error) {
    return { name, version: "", trials: messageOf(error).split("\n")[0] ?? "" };
  }
}

/** `agentctl dev` deploys what is edited by itself; what it has rolled back from it takes again only if it is edited once more. */
async function daruma(): Promise<Result> {
  const place = placeOf(0);
  symlinkSync(
    join(import.meta.dirname, "..", "..", "..", "node_modules"),
    join(place.directory, "node_modules"),
  );
  const health = `{ http: "http://127.0.0.1:${place.port}/health", every: "1s", expect: { within: "500ms" } }`;
  writeFileSync(
    join(place.directory, "fleet.config.ts"),
    `import { defineFleet, nixpkg, source } from "@daruma/config";
export default defineFleet({ hosts: { bench: { system: "x86_64-linux", watchdog: { probation: "500ms" }, agents: { echo: {
  command: [nixpkg("nodejs_24", "bin/node"), source("./echo", "main.js")],
  environment: { PORT: "${place.port}" },
  health: ${health},
  restart: { backoff: { initial: "0ms" }, attempts: 3, within: "2s" },
} } } } });\n`,
  );
  const session = new DevSession(place.directory);
  try {
    await session.entry("a known-good generation", ({ action }) => action === "generation.known-good");
    let edit = 0;
    const trials = await tried(place, async () => {
      edit += 1;
      writeFileSync(join(place.directory, "echo", "edit"), String(edit));
    });
    return { name: "Daruma (agentctl dev)", version: "", trials };
  } finally {
    await session.stop();
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function report(results: readonly Result[]): void {
  say(`${cpus().length} cores, Node ${process.version}; until somebody is served again, median (slowest)`);
  say(`"never": not within ${patienceMs / 1_000} s\n`);
  say(row("", ["crash", "hang", "bad deploy"]));
  for (const { name, version, trials } of results) {
    const label = `${name} ${version}`.trim();
    if (typeof trials === "string") say(`${label}: not measured: ${trials}`);
    else say(row(label, [trials.crash, trials.hang, trials.badDeploy].map(told)));
  }
}

function reportSizes(sizes: readonly Footprint[]): void {
  say(
    "\nfootprint under agentctl dev, agents that sleep; MiB proportional (private), % of a core while idle\n",
  );
  say(row("", ["watchd", "ledgerd", "egressd"]));
  for (const { agents, daemons } of sizes)
    say(
      row(
        `${agents} agents`,
        daemons.map(
          ({ pssMib, privateMib, cpuPercent }) =>
            `${pssMib.toFixed(0)} (${privateMib.toFixed(0)}), ${cpuPercent.toFixed(1)} %`,
        ),
      ),
    );
}

function row(label: string, cells: readonly string[]): string {
  return `${label.padEnd(26)}${cells.map((cell) => cell.padStart(24)).join("")}`;
}

function told(values: readonly (number | null)[]): string {
  const served = values.map((value) => value ?? Number.POSITIVE_INFINITY);
  const text = (value: number) => (Number.isFinite(value) ? `${value.toFixed(0)} ms` : "never");
  return `${text(percentile(served, 0.5))} (${text(Math.max(...served))})`;
}
