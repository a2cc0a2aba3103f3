/**
 * `make bench`: how fast an agent that is killed comes back, through the real programs. Each number is measured from
 * outside; the median and the 99th percentile of 30 kills are printed (RUNS changes the number). First under `agentctl dev`,
 * then on systemd where there can be a test host. Timings never decide whether this passes.
 */
import { cpSync, mkdirSync, mkdtempSync, realpathSync, symlinkSync } from "node:fs";
import { rm } from "node:fs/promises";
import { get } from "node:http";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { whyNoHost } from "../../tests/host/available.ts";
import { DevSession } from "../session/dev-session.ts";
import { type Figure, figureOf, percentile, table } from "./figures.ts";
import { benchOnSystemd, type SystemdFigures } from "./on-systemd.ts";

const repository = fileURLToPath(new URL("../../", import.meta.url));
const kills = Number(process.env.RUNS ?? 30);
const asJson = process.argv.includes("--json");
const agentPort = 18_573;

interface Recovery {
  readonly detectedMs: number;
  readonly servingMs: number;
  readonly verifiedMs: number;
}

const root = realpathSync(mkdtempSync(join(tmpdir(), "daruma-bench-")));
const directory = join(root, "fleet");
mkdirSync(directory);
cpSync(join(repository, "scripts", "bench", "fleet"), directory, { recursive: true });
symlinkSync(join(repository, "node_modules"), join(root, "node_modules"));
const session = new DevSession(directory);

try {
  const ownStartup = await startupOfAgent();
  await session.entry("a healthy agent", (entry) => entry.action === "agent.healthy");
  const recoveries: Recovery[] = [];
  for (let run = 0; run < kills; run += 1) {
    recoveries.push(await killOnce());
    if (process.stderr.isTTY) process.stderr.write(`\r${run + 1} of ${kills} kills`);
  }
  if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
  await session.stop();
  report(recoveries, ownStartup, await measureSystemd());
} finally {
  await session.stop();
  await execa("chmod", ["-R", "u+w", root], { reject: false });
  await rm(root, { recursive: true, force: true, maxRetries: 5 });
}

async function killOnce(): Promise<Recovery> {
  const agent = await session.agent("echo");
  if (agent.pid === null) throw new Error("the agent has no process");
  const last = session.entries.at(-1)?.seq ?? 0;
  const killedAt = preciseNow();
  process.kill(agent.pid, "SIGKILL");
  const servingAt = await servingAgain(agent.pid);
  const exit = await session.entry("the exit", (entry) => entry.action === "agent.exit", last);
  const verified = await session.entry("the proof", (entry) => entry.action === "recovery.verified", last);
  return {
    // The ledger's clock has milliseconds; a kill in the same millisecond would otherwise come out as negative.
    detectedMs: Math.max(0, Date.parse(String(exit.details.at)) - killedAt),
    servingMs: servingAt - killedAt,
    verifiedMs: Math.max(0, Date.parse(String(verified.details.at)) - killedAt),
  };
}

/** Asks until another process than the killed one answers: what a client of the agent would see. */
async function servingAgain(killed: number): Promise<number> {
  for (;;) {
    const answered = await answeringPid();
    if (answered !== null && answered !== killed) return preciseNow();
  }
}

function answeringPid(): Promise<number | null> {
  return new Promise((resolve) => {
    const request = get({ host: "127.0.0.1", port: agentPort, path: "/health", agent: false }, (response) => {
      response.setEncoding("utf8");
      let body = "";
      response.on("data", (text: string) => {
        body += text;
      });
      response.on("end", () => resolve(Number(body)));
      response.on("error", () => resolve(null));
    });
    request.on("error", () => resolve(null));
  });
}

/** How long the agent takes by itself, with nobody watching: spawn to accepting connections. Median of nine. */
async function startupOfAgent(): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run < 9; run += 1) {
    const began = preciseNow();
    const agent = execa(process.execPath, [join(directory, "echo", "main.js")], {
      env: { PORT: String(agentPort + 1) },
      reject: false,
      stdout: "pipe",
    });
    await new Promise((resolve) => agent.stdout.once("data", resolve));
    times.push(preciseNow() - began);
    agent.kill("SIGKILL");
    await agent;
  }
  return percentile(times, 0.5);
}

async function measureSystemd(): Promise<SystemdFigures | string> {
  const why = await whyNoHost();
  if (why !== undefined) return why;
  return benchOnSystemd(kills, (text) => {
    if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
  }).finally(() => {
    if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
  });
}

/** @param systemd a text says why there is nothing */
function report(recoveries: readonly Recovery[], ownStartup: number, systemd: SystemdFigures | string): void {
  const dev = {
    detected: figureOf(recoveries.map(({ detectedMs }) => detectedMs)),
    serving: figureOf(recoveries.map(({ servingMs }) => servingMs)),
    verified: figureOf(recoveries.map(({ verifiedMs }) => verifiedMs)),
  };
  if (asJson) {
    const document = { schemaVersion: 2, runs: kills, ownStartupMs: ownStartup, dev, systemd };
    process.stdout.write(`${JSON.stringify(document)}\n`);
    return;
  }
  process.stdout.write(
    `kill -9 of an agent (Node, HTTP), ${kills} times; ${cpus().length} cores, Node ${process.version}\n\n`,
  );
  process.stdout.write(`under agentctl dev; the agent alone takes ${ownStartup.toFixed(1)} ms to serve\n`);
  process.stdout.write(table("from kill to", rowsOf(dev)));
  if (typeof systemd === "string") {
    process.stdout.write(`\nnothing is measured on systemd: ${systemd}\n`);
    return;
  }
  process.stdout.write(
    `\non systemd (test host, on disk); the agent alone takes ${systemd.ownStartupMs.toFixed(1)} ms to serve\n`,
  );
  process.stdout.write(table("from kill to", rowsOf(systemd.daruma)));
  process.stdout.write(
    `\n${table("from kill to serving again", [
      ["systemd, Restart=always", systemd.restartAlways],
      ["systemd, Restart=always RestartSec=0", systemd.restartAlwaysAtOnce],
    ])}`,
  );
  process.stdout.write(
    `\n${table("from the decision to roll back to", [
      ["the system is back", systemd.rollback.rolledBack],
      ["the agent is verified healthy", systemd.rollback.verified],
    ])}`,
  );
}

function rowsOf(figures: Readonly<Record<"detected" | "serving" | "verified", Figure>>): [string, Figure][] {
  return [
    ["detected", figures.detected],
    ["serving again", figures.serving],
    ["verified healthy", figures.verified],
  ];
}

/** Unix time in milliseconds with fractions. */
function preciseNow(): number {
  return performance.timeOrigin + performance.now();
}
