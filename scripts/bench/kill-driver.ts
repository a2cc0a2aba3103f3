/**
 * Runs on the test host: kills the main process of a unit again and again, and asks its port until another process answers.
 * Prints one JSON array of `{ killedAt, servingMs }`; `killedAt` is Unix time in milliseconds, with fractions.
 *
 *     node kill-driver.ts UNIT PORT RUNS PAUSE_MS
 */
import { execFileSync } from "node:child_process";
import { get } from "node:http";
import { setTimeout as delay } from "node:timers/promises";

const [unit = "", port = "", runs = "", pauseMs = ""] = process.argv.slice(2);
const kills: { killedAt: number; servingMs: number }[] = [];

for (let run = 0; run < Number(runs); run += 1) {
  const pid = await servingPid();
  // Whoever watches it has to have come to rest before the next one.
  await delay(Number(pauseMs));
  const killedAt = performance.timeOrigin + performance.now();
  process.kill(pid, "SIGKILL");
  for (let answer = await answeringPid(); answer === null || answer === pid; answer = await answeringPid())
    await delay(1);
  kills.push({ killedAt, servingMs: performance.timeOrigin + performance.now() - killedAt });
}
process.stdout.write(JSON.stringify(kills));

/** The one that both systemd and the port know. */
async function servingPid(): Promise<number> {
  for (;;) {
    const shown = execFileSync("systemctl", ["show", "--value", "--property=MainPID", unit], {
      encoding: "utf8",
    });
    const pid = Number(shown);
    if (pid > 0 && (await answeringPid()) === pid) return pid;
    await delay(20);
  }
}

function answeringPid(): Promise<number | null> {
  return new Promise((resolve) => {
    const request = get({ host: "127.0.0.1", port, path: "/health", agent: false }, (response) => {
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
