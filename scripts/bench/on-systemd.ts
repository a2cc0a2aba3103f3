/**
 * The systemd half of `make bench`, on the test host: how fast an agent that is killed comes back under Daruma and under
 * systemd's own Restart=always, in the same run with the same program; and how fast a bad deploy is taken back.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { entries, entry, healthy, knownGood, lastEntry, status, until } from "../../tests/host/daruma.ts";
import { build, deploy, type Generation, setProfile, switchTo } from "../../tests/host/deploy.ts";
import { bootHost, type Host } from "../../tests/host/host.ts";
import { type Figure, figureOf, percentile } from "./figures.ts";

export interface SystemdFigures {
  /** Spawn to serving of the agent's program by itself, median, in milliseconds. */
  readonly ownStartupMs: number;
  readonly daruma: { readonly detected: Figure; readonly serving: Figure; readonly verified: Figure };
  readonly restartAlways: Figure;
  readonly restartAlwaysAtOnce: Figure;
  /** From the decision to roll back. */
  readonly rollback: { readonly rolledBack: Figure; readonly verified: Figure };
}

interface Kill {
  readonly killedAt: number;
  readonly servingMs: number;
}

const program = readFileSync(join(import.meta.dirname, "fleet", "echo", "main.js"), "utf8");
const driver = readFileSync(join(import.meta.dirname, "kill-driver.ts"), "utf8");
const hostNode = "/nix/var/nix/gcroots/test-host-nodejs_24/bin/node";
const port = { daruma: 18_573, always: 18_574, atOnce: 18_575, alone: 18_576 };
const withinMs = 600_000;

export async function benchOnSystemd(
  runs: number,
  progress: (text: string) => void,
): Promise<SystemdFigures> {
  // On a disk: a journal that is synced must cost what it costs.
  const host = await bootHost({ storage: "disk" });
  try {
    await host.writeFile("/root/kill-driver.ts", driver);
    await host.writeFile("/root/echo.js", program);
    const good = await deploy(host, generation(program));
    await knownGood(host, good.path);
    progress("kills under Daruma");
    const daruma = await killUnderDaruma(host, runs);
    progress("kills under Restart=always");
    const restartAlways = figureOf(
      (await kill(host, "plain.service", port.always, runs)).map(({ servingMs }) => servingMs),
    );
    progress("kills under Restart=always, RestartSec=0");
    const restartAlwaysAtOnce = figureOf(
      (await kill(host, "plain-at-once.service", port.atOnce, runs)).map(({ servingMs }) => servingMs),
    );
    const ownStartupMs = await ownStartup(host);
    const rollback = await rollBack(host, good.path, runs, progress);
    return { ownStartupMs, daruma, restartAlways, restartAlwaysAtOnce, rollback };
  } finally {
    await host.stop();
  }
}

async function killUnderDaruma(host: Host, runs: number): Promise<SystemdFigures["daruma"]> {
  const before = await lastEntry(host);
  const kills = await kill(host, "daruma-agent-echo.service", port.daruma, runs);
  const told = await until("every recovery is told", async () => {
    const news = (await entries(host)).filter(({ seq }) => seq > before);
    return news.filter(({ action }) => action === "recovery.verified").length >= kills.length
      ? news
      : undefined;
  });
  const after = (action: string) =>
    told
      .filter((each) => each.action === action)
      .slice(0, kills.length)
      .map(({ details }, run) => Math.max(0, Date.parse(String(details.at)) - (kills[run]?.killedAt ?? 0)));
  return {
    detected: figureOf(after("agent.exit")),
    serving: figureOf(kills.map(({ servingMs }) => servingMs)),
    verified: figureOf(after("recovery.verified")),
  };
}

async function kill(host: Host, unit: string, at: number, runs: number): Promise<readonly Kill[]> {
  const command = [hostNode, "/root/kill-driver.ts", unit, String(at), String(runs), "300"];
  return JSON.parse(await host.succeed(command, { timeoutMs: withinMs }));
}

async function ownStartup(host: Host): Promise<number> {
  const script = `
    const { spawn } = require("node:child_process");
    (async () => {
      const times = [];
      for (let run = 0; run < 9; run += 1) {
        const began = performance.now();
        const agent = spawn(process.execPath, ["/root/echo.js"], { env: { PORT: "${port.alone}" } });
        await new Promise((resolve) => agent.stdout.once("data", resolve));
        times.push(performance.now() - began);
        agent.kill("SIGKILL");
        await new Promise((resolve) => agent.once("close", resolve));
      }
      console.log(JSON.stringify(times));
    })();`;
  return percentile(JSON.parse(await host.succeed([hostNode, "-e", script])), 0.5);
}

/** The same bad generation again and again: a person allows it each time, and switches to it. */
async function rollBack(
  host: Host,
  good: string,
  runs: number,
  progress: (text: string) => void,
): Promise<SystemdFigures["rollback"]> {
  const bad = await build(host, generation("process.exit(1);"));
  const rolledBack: number[] = [];
  const verified: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    progress(`rollback ${run + 1} of ${runs}`);
    const before = await lastEntry(host);
    const number = await setProfile(host, bad);
    await switchTo(host, bad, "switch");
    const at = async (action: string) =>
      Date.parse(String((await entry(host, { action, after: before })).details.at));
    const decided = await at("generation.rollback");
    rolledBack.push((await at("generation.rolled-back")) - decided);
    verified.push((await at("recovery.verified")) - decided);
    await until("the system is back", async () => {
      const seen = await status(host);
      return seen?.generation?.path === good && seen.rollback === null ? true : undefined;
    });
    await healthy(host, "echo");
    await host.succeed(["agentctl", "generations", "allow", String(number)]);
  }
  return { rolledBack: figureOf(rolledBack), verified: figureOf(verified) };
}

function generation(code: string): Generation {
  const unit = (at: number, restart: string) => `{
    wantedBy = [ "multi-user.target" ];
    text = ''
      [Unit]
      StartLimitIntervalSec=0
      [Service]
      Type=exec
      Environment=PORT=${at}
      ExecStart=${hostNode} /root/echo.js
      Restart=always
      ${restart}
    '';
  }`;
  return {
    fleet: {
      "fleet.config.ts": `
        import { defineFleet, nixpkg, source } from "@daruma/config";
        export default defineFleet({ hosts: { "test-host": { system: "x86_64-linux", watchdog: { probation: "500ms" }, agents: {
          echo: {
            command: [nixpkg("nodejs_24", "bin/node"), source("./echo", "main.js")],
            environment: { PORT: "${port.daruma}" },
            health: { http: "http://127.0.0.1:${port.daruma}/health", every: "1s", expect: { within: "500ms" } },
            restart: { backoff: { initial: "0ms" }, attempts: ${code === program ? 1000 : 3}, within: "1h" },
          },
        } } } });`,
      "echo/main.js": code,
    },
    configuration: `{
      systemd.units."plain.service" = ${unit(port.always, "")};
      systemd.units."plain-at-once.service" = ${unit(port.atOnce, "RestartSec=0")};
    }`,
  };
}
