/**
 * `make bench-supervisors`: an agent that is killed, hangs, leaks, or is replaced by one that does not start, under Daruma (`agentctl dev`,
 * and on systemd where there can be a test host) and, in the same run with the same program, under systemd, supervisord, PM2 and s6 with
 * their own defaults. RUNS trials (30) of what each can do at all; what it is said not to be able to is tried once. Then the footprint,
 * unless FAULTS (of `crash`, `hang`, `limit`, `trend`, `deploy`) asks for a part. `--json` for programs.
 */
import { cpSync, mkdirSync, mkdtempSync, realpathSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { messageOf } from "@daruma/base";
import { execa } from "execa";
import { whyNoHost } from "../../../tests/host/available.ts";
import { daruma } from "./daruma.ts";
import { footprints } from "./footprint.ts";
import { benchOnSystemd } from "./on-systemd.ts";
import { ownStartupMs } from "./own-startup.ts";
import { type Peer, type Place, peers } from "./peers.ts";
import { begin } from "./progress.ts";
import { faultTables, footprintTable } from "./report.ts";
import {
  allOf,
  cannot,
  type Fault,
  faults,
  noTrend,
  type Outcome,
  outcomesOf,
  type Result,
  wanted,
} from "./results.ts";
import { badDeploy, crash, hang, leak, settled, type Trial } from "./trials.ts";

const runs = Number(process.env.RUNS ?? 30);
const asJson = process.argv.includes("--json");
/** After which nobody waits any longer. */
const patienceMs = 15_000;
const firstPort = 18_590;
const echo = join(import.meta.dirname, "..", "fleet", "echo");
const broken = "process.exit(1);\n";

const root = realpathSync(mkdtempSync(join(tmpdir(), "daruma-supervisors-")));
try {
  const startMs = await ownStartupMs(echo, firstPort);
  const results: Result[] = [
    await daruma(join(root, "daruma"), echo, [firstPort, firstPort + 1], runs, patienceMs),
    ...(await onSystemd()),
  ];
  for (const [index, [name, start]] of peers.entries())
    results.push(await measured(name, start, firstPort + 2 + index));
  if (!asJson) {
    say(`${runs} trials; ${cpus().length} cores, Node ${process.version}; the program alone serves after`);
    say(
      `${startMs.toFixed(0)} ms. Median (99th percentile) since it failed; "never": not within the time that it has`,
    );
    say('"-": nobody says that anything was detected, or proves that what was started works\n');
    say(`${faultTables(results)}\n`);
  }
  const sizes = wanted.length === faults.length ? await footprints(join(root, "footprint")) : [];
  if (asJson)
    say(JSON.stringify({ schemaVersion: 2, runs, ownStartupMs: startMs, results, footprints: sizes }));
  else if (sizes.length > 0) {
    say(
      "footprint under agentctl dev, agents that sleep; MiB proportional (private), % of a core while idle\n",
    );
    say(footprintTable(sizes));
  }
} finally {
  await execa("chmod", ["-R", "u+w", root], { reject: false });
  await rm(root, { recursive: true, force: true, maxRetries: 5 });
}

async function onSystemd(): Promise<readonly Result[]> {
  const why = await whyNoHost();
  if (why === undefined) return benchOnSystemd(runs, patienceMs);
  return [
    { name: "Daruma and others on systemd", outcomes: allOf(`not measured: there is no test host: ${why}`) },
  ];
}

async function measured(name: string, start: (place: Place) => Promise<Peer>, port: number): Promise<Result> {
  const directory = join(root, name);
  mkdirSync(join(directory, "echo"), { recursive: true });
  cpSync(echo, join(directory, "echo"), { recursive: true });
  const place = { directory, program: join(directory, "echo", "main.js"), port };
  try {
    const peer = await start(place);
    try {
      return { name: `${name} ${peer.version}`, outcomes: await tried(name, place, peer) };
    } finally {
      await peer.stop();
    }
  } catch (error) {
    return { name, outcomes: allOf(`not measured: ${messageOf(error).split("\n")[0]}`) };
  }
}

async function tried(name: string, { port, program }: Place, peer: Peer): Promise<Result["outcomes"]> {
  const attempt = async (
    fault: Exclude<Fault, "trend">,
    trial: (withinMs: number) => Promise<Trial>,
  ): Promise<Outcome> => {
    const why = peer.cannot[fault];
    const trials: Trial[] = [];
    const times = why === undefined ? runs : 1;
    begin(name, fault);
    for (let run = 0; run < times; run += 1) trials.push(await trial(patienceMs));
    return why !== undefined && trials.every(({ servedAt }) => servedAt === null) ? cannot(why) : trials;
  };
  return outcomesOf({
    crash: () => attempt("crash", (withinMs) => crash(port, withinMs)),
    hang: () => attempt("hang", (withinMs) => hang(port, withinMs)),
    limit: () => attempt("limit", (withinMs) => leak(port, peer.limitWithinMs ?? withinMs, "limit")),
    // Not to be seen from outside: who restarts by a limit does so in the end.
    trend: cannot(noTrend),
    deploy: () =>
      attempt("deploy", async (withinMs) => {
        const trial = await badDeploy(port, withinMs, async () => {
          writeFileSync(program, broken);
          await peer.redeploy();
        });
        cpSync(echo, join(program, ".."), { recursive: true });
        await peer.redeploy();
        await settled(port);
        return trial;
      }),
  });
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
