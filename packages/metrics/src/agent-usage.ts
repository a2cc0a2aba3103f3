import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { AgentFacts } from "@daruma/watchd";
import { known, type Sample, type Samples } from "./sample.ts";

/** What one agent uses; null where it cannot be known. */
export interface AgentUsage {
  readonly agent: string;
  readonly memoryBytes: number | null;
  readonly cpuSeconds: number | null;
  readonly openFiles: number | null;
}

export interface RunningAgent {
  readonly name: string;
  readonly pid: number | null;
}

/** How an agent's usage is found. Reads a few small files of the kernel for each. */
export type UsageReader = (agent: RunningAgent) => AgentUsage;

/**
 * On a host an agent is a unit, and its control group counts for all of its processes (kernel: cgroup-v2). Open files are not
 * counted there, and what another user's process has open only root may see.
 */
export function readControlGroup(root: string): UsageReader {
  return ({ name }) => {
    const group = join(root, `daruma-agent-${name}.service`);
    const cpu = /^usage_usec (\d+)$/m.exec(textOf(join(group, "cpu.stat")) ?? "")?.[1];
    const memory = textOf(join(group, "memory.current"));
    return {
      agent: name,
      memoryBytes: memory === null ? null : Number(memory),
      cpuSeconds: cpu === undefined ? null : Number(cpu) / 1e6,
      openFiles: null,
    };
  };
}

/** Clock ticks of /proc are hundredths of a second on every system that Linux knows (USER_HZ, time(7)). */
const ticksPerSecond = 100;

/** Where agents are child processes: of the one that was started, without those that it has started. */
export const readProcess: UsageReader = ({ name, pid }) => {
  const of = (file: string) => (pid === null ? null : textOf(`/proc/${pid}/${file}`));
  const memory = /^VmRSS:\s+(\d+) kB$/m.exec(of("status") ?? "")?.[1];
  // proc_pid_stat(5): the name, in parentheses, may have anything in it; utime and stime are fields 14 and 15.
  const fields = (of("stat") ?? "").replace(/^.*\) /s, "").split(" ");
  const [user, system] = [fields[11], fields[12]];
  return {
    agent: name,
    memoryBytes: memory === undefined ? null : Number(memory) * 1024,
    cpuSeconds:
      user === undefined || system === undefined ? null : (Number(user) + Number(system)) / ticksPerSecond,
    openFiles: pid === null ? null : entriesOf(`/proc/${pid}/fd`),
  };
};

/** What could not be read here, as watchd has measured it last: at most 15 s ago, of all processes of the agent's run. */
export function withMeasured(read: AgentUsage, { startedAt, usage }: AgentFacts): AgentUsage {
  // Of a run that is over it would be the past.
  if (startedAt === null || usage === null) return read;
  return {
    agent: read.agent,
    memoryBytes: read.memoryBytes ?? usage.memoryBytes,
    cpuSeconds: read.cpuSeconds ?? (usage.cpuMs === null ? null : usage.cpuMs / 1_000),
    openFiles: read.openFiles ?? usage.openFiles,
  };
}

export function usageSamples(usage: readonly AgentUsage[]): Samples {
  const of = (read: (each: AgentUsage) => number | null): readonly Sample[] =>
    usage.flatMap((each) => known(read(each), { agent: each.agent }));
  return {
    daruma_agent_memory_bytes: of(({ memoryBytes }) => memoryBytes),
    daruma_agent_cpu_seconds_total: of(({ cpuSeconds }) => cpuSeconds),
    daruma_agent_open_files: of(({ openFiles }) => openFiles),
  };
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return null;
  }
}

function entriesOf(directory: string): number | null {
  try {
    return readdirSync(directory).length;
  } catch {
    return null;
  }
}
