/**
 * The systemd half of `make bench-supervisors`, on the test host: the same program with the same faults under Daruma and as a plain unit
 * of systemd, in the same run.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { entries, healthy, knownGood, status, until } from "../../../tests/host/daruma.ts";
import { build, deploy, type Generation, setProfile, switchTo } from "../../../tests/host/deploy.ts";
import { bootHost, type Host } from "../../../tests/host/host.ts";
import { fleetFile } from "./fleet.ts";
import { begin } from "./progress.ts";
import {
  cannot,
  type Fault,
  noTrend,
  type Outcome,
  outcomesOf,
  type Result,
  type Seen,
  seen,
} from "./results.ts";
import { limitMib, type Trial } from "./trials.ts";

const program = readFileSync(join(import.meta.dirname, "..", "fleet", "echo", "main.js"), "utf8");
const scripts = ["trials.ts", "trial-driver.ts"];
const hostNode = "/nix/var/nix/gcroots/test-host-nodejs_24/bin/node";
const port = {
  echo: 18_573,
  leaky: 18_574,
  always: 18_575,
  atOnce: 18_576,
  watched: 18_577,
  limited: 18_578,
  sandboxed: 18_579,
};
const withinMs = 3_600_000;
const noVersions = cannot("it has no earlier version of a unit, and starts the same again");

export async function benchOnSystemd(runs: number, patienceMs: number): Promise<readonly Result[]> {
  // On a disk: a journal that is synced must cost what it costs.
  const host = await bootHost({ storage: "disk" });
  try {
    for (const script of scripts)
      await host.writeFile(`/root/${script}`, readFileSync(join(import.meta.dirname, script), "utf8"));
    await host.writeFile("/root/echo.js", program);
    const good = await deploy(host, generation(program));
    await knownGood(host, good.path);
    await startSandboxed(host);
    const tried = (fault: Fault, at: number) => {
      begin("systemd", `${fault} of ${unitAt(at)}`);
      return trials(host, fault, at, runs, patienceMs);
    };
    const daruma = async (fault: Fault, at: number) => withLedger(host, fault, await tried(fault, at));
    const ours: Result = {
      name: "Daruma (systemd)",
      outcomes: await outcomesOf({
        crash: () => daruma("crash", port.echo),
        hang: () => daruma("hang", port.echo),
        limit: () => daruma("limit", port.echo),
        trend: () => daruma("trend", port.leaky),
        deploy: () => badDeploys(host, good.path, runs, patienceMs),
      }),
    };
    const plain = async (name: string, at: number): Promise<Result> => ({
      name,
      outcomes: await outcomesOf({
        crash: () => tried("crash", at),
        hang: cannot("without WatchdogSec= it sees only that a process is there"),
        limit: cannot("without MemoryMax= it holds memory to no limit"),
        trend: cannot(noTrend),
        deploy: noVersions,
      }),
    });
    return [
      ours,
      await plain("systemd, Restart=always", port.always),
      await plain("systemd, RestartSec=0", port.atOnce),
      await plain("systemd, RestartSec=0, sandboxed", port.sandboxed),
      {
        name: "systemd, WatchdogSec=, MemoryMax=",
        outcomes: await outcomesOf({
          crash: () => tried("crash", port.watched),
          hang: () => tried("hang", port.watched),
          limit: () => limited(host, () => tried("limit", port.limited)),
          trend: cannot(noTrend),
          deploy: noVersions,
        }),
      },
    ];
  } finally {
    await host.stop();
  }
}

/** What systemd itself takes for the sandbox that Daruma gives an agent: the agent's unit, without Daruma. */
async function startSandboxed(host: Host): Promise<void> {
  const unit = await host.readFile("/etc/systemd/system/daruma-agent-echo.service");
  const ours = /^(#|After=|Wants=|Condition|Description=|Exec|Restart|LogExtraFields=|WantedBy=|\[Install\])/;
  const lines = unit.split("\n").filter((line) => !ours.test(line));
  const own = [`ExecStart=${hostNode} /run/echo.js`, "Restart=always", "RestartSec=0"];
  const text = [...lines, "[Service]", ...own, ""]
    .join("\n")
    .replaceAll("agents/echo", "agents/sandboxed")
    .replace(String(port.echo), String(port.sandboxed));
  // Not in a home, which the sandbox hides.
  await host.writeFile("/run/echo.js", program);
  await host.writeFile("/run/systemd/system/sandboxed.service", text);
  await host.succeed("systemctl daemon-reload && systemctl start sandboxed.service");
}

/** MemoryMax= is the kernel's, which counts memory only for control groups that have the controller (cgroups(7)). */
async function limited(host: Host, measure: () => Promise<Outcome>): Promise<Outcome> {
  const controllers = await host.readFile("/sys/fs/cgroup/cgroup.controllers");
  if (!controllers.split(/\s+/).includes("memory"))
    return cannot("MemoryMax= needs the kernel's memory controller in cgroup v2, which this machine has not");
  await host.succeed(["systemctl", "start", "limited.service"]);
  return measure();
}

async function trials(
  host: Host,
  fault: Fault,
  at: number,
  runs: number,
  patienceMs: number,
): Promise<readonly Trial[]> {
  const patience = fault === "trend" ? 2 * patienceMs : patienceMs;
  const command = [hostNode, "/root/trial-driver.ts", fault, String(at), String(runs), String(patience)];
  return JSON.parse(await host.succeed(command, { timeoutMs: withinMs }));
}

async function withLedger(host: Host, fault: Fault, done: readonly Trial[]): Promise<readonly Seen[]> {
  const at = (action: string, since: number) =>
    until(`${action} is told`, async () => {
      const times = (await entries(host))
        .filter((entry) => entry.action === action)
        .map(({ details }) => Date.parse(String(details.at)));
      return times.find((time) => time >= since);
    });
  const all: Seen[] = [];
  for (const trial of done) all.push(await seen(fault, trial, at));
  return all;
}

/** The same bad generation again and again: a person allows it each time, and switches to it. */
async function badDeploys(
  host: Host,
  good: string,
  runs: number,
  patienceMs: number,
): Promise<readonly Seen[]> {
  begin("systemd", "deploy of echo");
  const bad = await build(host, generation("process.exit(1);"));
  const all: Seen[] = [];
  for (let run = 0; run < runs; run += 1) {
    const number = await setProfile(host, bad);
    // Looks on from when the program has come to rest, which it has by then, too.
    const looking = trials(host, "deploy", port.echo, 1, 2 * patienceMs);
    await new Promise((resolve) => setTimeout(resolve, settlingMs));
    const began = Date.now();
    await switchTo(host, bad, "switch");
    const [trial] = await looking;
    if (trial === undefined) throw new Error("the driver has told of no trial");
    all.push(...(await withLedger(host, "deploy", [{ ...trial, failedAt: began }])));
    await until("the system is back", async () => {
      const now = await status(host);
      return now?.generation?.path === good && now.rollback === null ? true : undefined;
    });
    await healthy(host, "echo");
    await host.succeed(["agentctl", "generations", "allow", String(number)]);
  }
  return all;
}

const settlingMs = 3_000;

function unitAt(at: number): string {
  return Object.entries(port).find(([, each]) => each === at)?.[0] ?? String(at);
}

function generation(code: string): Generation {
  const unit = (at: number, settings: readonly string[], wanted = true) => `{
    ${wanted ? 'wantedBy = [ "multi-user.target" ];' : ""}
    text = ''
      [Unit]
      StartLimitIntervalSec=0
      [Service]
      Type=exec
      Environment=PORT=${at}
      ExecStart=${hostNode} /root/echo.js
      Restart=always
      ${settings.join("\n      ")}
    '';
  }`;
  // Trials that follow each other are not to be taken for a loop; what fails at its start fails more slowly here than as a process.
  const within = code === program ? "2s" : "1h";
  return {
    fleet: { "fleet.config.ts": fleetFile("test-host", port, within), "echo/main.js": code },
    configuration: `{
      systemd.units."plain.service" = ${unit(port.always, [])};
      systemd.units."plain-at-once.service" = ${unit(port.atOnce, ["RestartSec=0"])};
      systemd.units."watched.service" = ${unit(port.watched, ["RestartSec=0", "WatchdogSec=2s", "NotifyAccess=all"])};
      systemd.units."limited.service" = ${unit(port.limited, ["RestartSec=0", `MemoryMax=${limitMib}M`], false)};
    }`,
  };
}
