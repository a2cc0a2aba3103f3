/**
 * What is done to a supervised program (scripts/bench/fleet/echo), and when somebody is served again. Needs nothing but Node, so that it
 * can run on a test host: trial-driver.ts.
 */
import { readFileSync } from "node:fs";
import { get } from "node:http";
import { setTimeout as delay } from "node:timers/promises";

/** Unix time in milliseconds, with fractions. */
export interface Trial {
  /** When it was killed or stopped, or told to leak, or above the limit, or replaced by what does not run. */
  readonly failedAt: number;
  /** When another process answered; null where none did in time. */
  readonly servedAt: number | null;
  /** Of a leak: requests that nobody answered, from its begin on. */
  readonly lost?: number;
  /** Of a leak: the most memory that the process had. */
  readonly peakMib?: number;
}

/** A leak that counts from when the process has more memory than this. */
export const limitMib = 96;

/** What a client sends: a request every 25 ms for a second, then nothing for two. */
const work = { everyMs: 25, forMs: 1_000, restMs: 2_000 };

export async function crash(port: number, patienceMs: number): Promise<Trial> {
  const pid = await settled(port);
  const failedAt = preciseNow();
  process.kill(pid, "SIGKILL");
  return { failedAt, servedAt: await servedAgain(port, pid, failedAt + patienceMs) };
}

/** A process that holds its port and does nothing any more. It is ended afterwards, where nobody else has. */
export async function hang(port: number, patienceMs: number): Promise<Trial> {
  const pid = await settled(port);
  const failedAt = preciseNow();
  process.kill(pid, "SIGSTOP");
  const servedAt = await servedAgain(port, pid, failedAt + patienceMs);
  if (servedAt === null) process.kill(pid, "SIGKILL");
  return { failedAt, servedAt };
}

/** @param from `limit`: it counts from when the limit is crossed; `begin`: from the first byte */
export async function leak(port: number, patienceMs: number, from: "limit" | "begin"): Promise<Trial> {
  const pid = await settled(port);
  let peakMib = 0;
  const measuring = setInterval(() => {
    peakMib = Math.max(peakMib, memoryMib(pid));
  }, 20);
  const client = working(port);
  try {
    await answeringPid(port, "/leak");
    if (from === "limit") await crossed(pid);
    const failedAt = preciseNow();
    const servedAt = await servedAgain(port, pid, failedAt + patienceMs);
    const lost = await client.end();
    if (servedAt === null) process.kill(pid, "SIGKILL");
    return { failedAt, servedAt, lost, peakMib };
  } finally {
    clearInterval(measuring);
    await client.end();
  }
}

/** Resolves once the process has more than the limit. */
async function crossed(pid: number): Promise<void> {
  for (let mib = memoryMib(pid); mib <= limitMib; mib = memoryMib(pid)) {
    // On a machine so busy that this loop was behind, there is nothing to measure.
    if (mib === 0) throw new Error("the leaking process was gone before it was seen above its limit");
    await delay(5);
  }
}

/**
 * The deploy of a program that ends at its start.
 * @param deploy resolves once the supervisor was told
 */
export async function badDeploy(
  port: number,
  patienceMs: number,
  deploy: () => Promise<void>,
): Promise<Trial> {
  const pid = await settled(port);
  const failedAt = preciseNow();
  await deploy();
  return { failedAt, servedAt: await servedAgain(port, pid, failedAt + patienceMs) };
}

async function servedAgain(port: number, before: number, until: number): Promise<number | null> {
  while (preciseNow() < until) {
    const pid = await answeringPid(port, "/health");
    if (pid !== null && pid !== before) return preciseNow();
    await delay(1);
  }
  return null;
}

/** The process that answers, once whoever watches it has come to rest: supervisord counts a run as a start after a second. */
export async function settled(port: number): Promise<number> {
  const until = performance.now() + 60_000;
  while (performance.now() < until) {
    const pid = await answeringPid(port, "/health");
    await delay(1_200);
    if (pid !== null && (await answeringPid(port, "/health")) === pid) return pid;
  }
  throw new Error(`nobody answers on port ${port}`);
}

interface Client {
  /** Requests that nobody answered; no more are sent. */
  end(): Promise<number>;
}

function working(port: number): Client {
  let lost = 0;
  let isOver = false;
  const run = async () => {
    while (!isOver) {
      for (const until = performance.now() + work.forMs; performance.now() < until; await delay(work.everyMs))
        if ((await answeringPid(port, "/work")) === null) lost += 1;
      await delay(work.restMs);
    }
  };
  const done = run();
  return {
    end: async () => {
      isOver = true;
      await done;
      return lost;
    },
  };
}

/** Resident memory; 0 where there is no such process. */
function memoryMib(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1_024;
  } catch {
    return 0;
  }
}

function answeringPid(port: number, path: "/health" | "/leak" | "/work"): Promise<number | null> {
  return new Promise((resolve) => {
    const options = { host: "127.0.0.1", port, path, agent: false, timeout: 300 };
    const request = get(options, (response) => {
      response.setEncoding("utf8");
      let body = "";
      response.on("data", (text: string) => {
        body += text;
      });
      response.on("end", () => resolve(Number(body)));
      response.on("error", () => resolve(null));
    });
    request.on("timeout", () => request.destroy());
    request.on("error", () => resolve(null));
  });
}

function preciseNow(): number {
  return performance.timeOrigin + performance.now();
}
