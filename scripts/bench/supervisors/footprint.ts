/** What the daemons of Daruma take, with few and with many agents: from /proc (proc_pid_smaps_rollup(5), proc_pid_stat(5)). */
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { DevSession } from "../../session/dev-session.ts";
import { begin } from "./progress.ts";

export interface DaemonSize {
  readonly name: string;
  readonly pssMib: number;
  readonly privateMib: number;
  /** Of one core, while nothing happens. */
  readonly cpuPercent: number;
}

export interface Load {
  readonly agents: number;
  readonly routines: number;
}

export interface Footprint extends Load {
  readonly daemons: readonly DaemonSize[];
}

const loads: readonly Load[] = [
  { agents: 10, routines: 0 },
  { agents: 1_000, routines: 0 },
  { agents: 1_000, routines: 10_000 },
];
const daemons = ["watchd", "ledgerd", "egressd"];
const restMs = 10_000;
const idleMs = 30_000;
/** USER_HZ of Linux. */
const ticksPerSecond = 100;

/** Agents that sleep, and have an egress rule each so that egressd knows them; routines of which none is due. */
export async function footprints(root: string): Promise<readonly Footprint[]> {
  const sizes: Footprint[] = [];
  for (const [index, load] of loads.entries()) {
    begin("footprint", `${load.agents} agents, ${load.routines} routines`);
    sizes.push({ ...load, daemons: await sizesWith(join(root, String(index)), load) });
  }
  return sizes;
}

async function sizesWith(directory: string, { agents, routines }: Load): Promise<readonly DaemonSize[]> {
  mkdirSync(directory, { recursive: true });
  symlinkSync(join(import.meta.dirname, "..", "..", "..", "node_modules"), join(directory, "node_modules"));
  writeFileSync(
    join(directory, "fleet.config.ts"),
    `import { defineFleet } from "@daruma/config";
const farOff = new Date(Date.now() + 100 * 86_400_000);
const agents = Object.fromEntries(Array.from({ length: ${agents} }, (_, n) => [\`agent-\${n}\`, {
  command: ["/bin/sleep", "1000000"], startup: "1s", egress: ["example.com:443"],
}]));
const routines = Object.fromEntries(Array.from({ length: ${routines} }, (_, n) => [\`routine-\${n}\`, {
  command: ["/bin/true"], schedule: \`\${n % 60} 0 \${farOff.getUTCDate()} \${farOff.getUTCMonth() + 1} *\`,
}]));
export default defineFleet({ hosts: { bench: { system: "x86_64-linux", watchdog: { probation: "1s" }, agents, routines } } });\n`,
  );
  const session = new DevSession(directory);
  try {
    const known = ({ action }: { readonly action: string }) => action === "generation.known-good";
    await session.entry("every agent is up", known, 0, 600_000);
    await delay(restMs);
    const found = daemons.map((name) => ({ name, pid: pidOf(directory, name) }));
    const before = found.map(({ pid }) => cpuSeconds(pid));
    await delay(idleMs);
    return found.map(({ name, pid }, index) => ({
      name,
      ...memoryOf(pid),
      cpuPercent: ((cpuSeconds(pid) - (before[index] ?? 0)) / (idleMs / 1_000)) * 100,
    }));
  } finally {
    await session.stop();
  }
}

/** The daemon whose arguments name this state directory. */
function pidOf(directory: string, name: string): number {
  for (const pid of readdirSync("/proc").filter((file) => /^[0-9]+$/.test(file))) {
    const words = argumentsOf(pid);
    if (
      words.some((word) => word.endsWith(`/${name}.mjs`)) &&
      words.some((word) => word.startsWith(directory))
    )
      return Number(pid);
  }
  throw new Error(`there is no ${name} of ${directory}`);
}

function argumentsOf(pid: string): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    // It is gone.
    return [];
  }
}

function memoryOf(pid: number): Pick<DaemonSize, "pssMib" | "privateMib"> {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const kib = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text)?.[1] ?? Number.NaN);
  return {
    pssMib: kib("Pss") / 1_024,
    privateMib: (kib("Private_Clean") + kib("Private_Dirty")) / 1_024,
  };
}

function cpuSeconds(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}
