/**
 * `make bench`: how fast an agent that is killed comes back, through the real programs. Each number is measured from
 * outside; the median and the 99th percentile of 30 kills are printed (RUNS changes the number). Timings never decide
 * whether this passes.
 */
import { cpSync, mkdirSync, mkdtempSync, realpathSync, symlinkSync } from "node:fs";
import { rm } from "node:fs/promises";
import { get } from "node:http";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { DevSession } from "../session/dev-session.ts";

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
  report(recoveries, ownStartup);
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

function report(recoveries: readonly Recovery[], ownStartup: number): void {
  const rows = (["detectedMs", "servingMs", "verifiedMs"] as const).map((name) => {
    const values = recoveries.map((recovery) => recovery[name]);
    return { name, median: percentile(values, 0.5), p99: percentile(values, 0.99) };
  });
  if (asJson) {
    const results = Object.fromEntries(rows.map(({ name, median, p99 }) => [name, { median, p99 }]));
    process.stdout.write(
      `${JSON.stringify({ schemaVersion: 1, kills: recoveries.length, ownStartupMs: ownStartup, ...results })}\n`,
    );
    return;
  }
  process.stdout.write(
    `kill -9 of an agent under agentctl dev, ${recoveries.length} times; ${cpus().length} cores, Node ${process.version}\n`,
  );
  process.stdout.write(
    `the agent (Node, HTTP) takes ${ownStartup.toFixed(1)} ms to serve when nobody watches it\n\n`,
  );
  process.stdout.write(`${"from kill to".padEnd(20)}${"median".padStart(12)}${"p99".padStart(12)}\n`);
  const labels = { detectedMs: "detected", servingMs: "serving again", verifiedMs: "verified healthy" };
  for (const { name, median, p99 } of rows) {
    process.stdout.write(
      `${labels[name].padEnd(20)}${`${median.toFixed(1)} ms`.padStart(12)}${`${p99.toFixed(1)} ms`.padStart(12)}\n`,
    );
  }
}

/** Unix time in milliseconds with fractions. */
function preciseNow(): number {
  return performance.timeOrigin + performance.now();
}

/** Nearest rank. */
function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}
