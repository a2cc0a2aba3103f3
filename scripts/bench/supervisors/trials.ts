/** What is done to a supervised program, and how long it takes until somebody is served again. */
import { get } from "node:http";
import { setTimeout as delay } from "node:timers/promises";

/** Milliseconds after which nobody waits any longer. */
export const patienceMs = 15_000;

/** @returns milliseconds from the kill until another process answers; null where none does within `patienceMs` */
export async function crash(port: number): Promise<number | null> {
  const pid = await settled(port);
  const began = performance.now();
  process.kill(pid, "SIGKILL");
  return servedAgain(port, pid, began);
}

/** The same for a process that holds its port and does nothing any more. It is ended afterwards, where nobody else has. */
export async function hang(port: number): Promise<number | null> {
  const pid = await settled(port);
  const began = performance.now();
  process.kill(pid, "SIGSTOP");
  const took = await servedAgain(port, pid, began);
  if (took === null) process.kill(pid, "SIGKILL");
  return took;
}

/**
 * Milliseconds from the deploy of a program that ends at its start until the port is served; null where it is not within `patienceMs`.
 * @param deploy resolves once the supervisor was told
 */
export async function badDeploy(port: number, deploy: () => Promise<void>): Promise<number | null> {
  const pid = await settled(port);
  const began = performance.now();
  await deploy();
  while ((await answeringPid(port)) === pid && performance.now() - began < patienceMs) await delay(1);
  return servedAgain(port, pid, began);
}

async function servedAgain(port: number, before: number, began: number): Promise<number | null> {
  while (performance.now() - began < patienceMs) {
    const pid = await answeringPid(port);
    if (pid !== null && pid !== before) return performance.now() - began;
    await delay(1);
  }
  return null;
}

/** The process that answers, once whoever watches it has come to rest: supervisord counts a run as a start after a second. */
export async function settled(port: number): Promise<number> {
  const until = performance.now() + 4 * patienceMs;
  while (performance.now() < until) {
    const pid = await answeringPid(port);
    await delay(1_200);
    if (pid !== null && (await answeringPid(port)) === pid) return pid;
  }
  throw new Error(`nobody answers on port ${port}`);
}

function answeringPid(port: number): Promise<number | null> {
  return new Promise((resolve) => {
    const options = { host: "127.0.0.1", port, path: "/health", agent: false, timeout: 300 };
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
