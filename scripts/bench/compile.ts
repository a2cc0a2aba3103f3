/**
 * How long a large fleet takes to compile, and how much memory: 1,000 hosts with 10 agents each, through the program as it is
 * shipped. A part of `make bench`. What each of the two processes had in memory at most is read from /proc.
 */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { figureOf, table } from "./figures.ts";

const hosts = 1_000;
const agents = 10;
const runs = Number(process.env.RUNS ?? 10);
const program = fileURLToPath(new URL("../../dist/agentctl.mjs", import.meta.url));

const config = `import { type AgentInput, defineFleet, nixpkg, source } from "@daruma/config";
const agent = (port: number): AgentInput => ({
  command: [nixpkg("nodejs_24", "bin/node"), source("./agent", "main.js"), "--port", String(port)],
  environment: { PORT: String(port), LOG_LEVEL: "info" },
  credentials: { API_KEY: "/run/secrets/key" },
  health: { http: \`http://127.0.0.1:\${port}/health\`, every: "3s" },
  restart: { attempts: 3, within: "10m" },
  limits: { memory: "512MiB" },
  egress: ["api.example.com:443", "*.cdn.example.com:443"],
});
const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);
export default defineFleet({
  hosts: Object.fromEntries(numbers(${hosts}).map((host) => [\`host-\${host}\`, {
    system: "x86_64-linux",
    agents: Object.fromEntries(numbers(${agents}).map((n) => [\`agent-\${n}\`, agent(8000 + n)])),
  }])),
});
`;

interface Run {
  readonly ms: number;
  /** Of all processors, in milliseconds: what the time would be at most on a machine that does nothing else. */
  readonly processorMs: number;
  /** Of agentctl and of the process that evaluates the fleet file, in bytes. */
  readonly peaks: readonly number[];
}

const directory = mkdtempSync(join(tmpdir(), "daruma-bench-"));
try {
  writeFileSync(join(directory, "fleet.config.ts"), config);
  mkdirSync(join(directory, "agent"));
  writeFileSync(join(directory, "agent/main.js"), "");
  const first: Run[] = [];
  const again: Run[] = [];
  for (let run = 0; run < runs; run += 1) {
    rmSync(join(directory, "generated"), { recursive: true, force: true });
    first.push(await compile());
    again.push(await compile());
  }
  const rows = [
    ["every file is new", figureOf(first.map(({ ms }) => ms))],
    ["no file changes", figureOf(again.map(({ ms }) => ms))],
    ["processor time, new", figureOf(first.map(({ processorMs }) => processorMs))],
    ["processor time, no change", figureOf(again.map(({ processorMs }) => processorMs))],
  ] as const;
  process.stdout.write(table(`compile ${hosts} hosts with ${agents} agents`, rows));
  const most = Math.max(
    ...[...first, ...again].map(({ peaks }) => peaks.reduce((sum, peak) => sum + peak, 0)),
  );
  process.stdout.write(`memory at most, both processes together: ${(most / 2 ** 20).toFixed(0)} MiB\n\n`);
} finally {
  rmSync(directory, { recursive: true });
}

async function compile(): Promise<Run> {
  const began = performance.now();
  const before = processorMs();
  const child = spawn(process.execPath, [program, "compile", "--quiet"], {
    cwd: directory,
    stdio: ["ignore", "ignore", "inherit"],
  });
  const peaks = new Map<number, number>();
  const look = () => {
    for (const pid of [child.pid ?? 0, ...childrenOf(child.pid ?? 0)]) {
      peaks.set(pid, Math.max(peaks.get(pid) ?? 0, peakOf(pid)));
    }
  };
  const timer = setInterval(look, 20);
  const code = await new Promise((settle) => child.once("exit", settle));
  const ms = performance.now() - began;
  clearInterval(timer);
  if (code !== 0) throw new Error(`agentctl compile ended with ${code}`);
  return { ms, processorMs: processorMs() - before, peaks: [...peaks.values()] };
}

/** What children that have ended have used: proc_pid_stat(5), cutime and cstime, in hundredths of a second. */
function processorMs(): number {
  const fields = readFileSync("/proc/self/stat", "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  return (Number(fields[13]) + Number(fields[14])) * 10;
}

function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").split(" ").filter(Boolean).map(Number),
    );
  } catch {
    return [];
  }
}

function peakOf(pid: number): number {
  try {
    const [, kilobytes = "0"] =
      /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return Number(kilobytes) * 1024;
  } catch {
    return 0;
  }
}
