import { readdirSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { systemCode } from "@daruma/base";
import type { Usage } from "../ports.ts";
import { type ProcessInfo, pageBytes, readProcess, readShort, ticksPerSecond } from "./process-table.ts";

/** How many runs are measured in one go: some milliseconds. */
const measuredAtOnce = 50;

/** What each run uses, by its processes. Between a few and the next, whatever else has happened gets its turn. */
export async function usageOfRuns(
  runs: ReadonlyMap<string, readonly ProcessInfo[]>,
): Promise<ReadonlyMap<string, Usage>> {
  const used = new Map<string, Usage>();
  for (const [runId, processes] of runs) {
    if (used.size % measuredAtOnce === measuredAtOnce - 1) await nextTurn();
    const pids = processes.map(({ pid }) => pid);
    used.set(runId, usageOf(pids, processes));
  }
  return used;
}

/**
 * What these processes use together, from /proc: for where no control group counts it. Pages that they share are counted for each of
 * them, and a process that ends takes with it what it has used of processor and disks, but for what its parent has waited for. What
 * may not be looked at of one of them is null for all.
 */
export function usageOfProcesses(pids: readonly number[]): Usage {
  // One that has gone meanwhile, or that systems with hidepid= hide, counts for nothing.
  const processes = pids.map(readProcess).filter((info) => info !== null);
  return usageOf(pids, processes);
}

function usageOf(pids: readonly number[], processes: readonly ProcessInfo[]): Usage {
  return {
    memoryBytes: sum(processes.map(({ residentPages }) => residentPages * pageBytes())),
    cpuMs: sum(processes.map(({ cpuTicks }) => (cpuTicks * 1_000) / ticksPerSecond)),
    openFiles: openFilesOf(pids),
    tasks: sum(processes.map(({ tasks }) => tasks)),
    ioBytes: sum(pids.map(readIoBytes)),
  };
}

/** File descriptors; null where one of the processes does not let us look. */
export function openFilesOf(pids: readonly number[]): number | null {
  return sum(pids.map((pid) => ifAllowed(() => readdirSync(`/proc/${pid}/fd`).length)));
}

/** What went to disks or came from them: proc_pid_io(5). */
function readIoBytes(pid: number): number | null {
  const io = ifAllowed(() => readShort(`/proc/${pid}/io`));
  if (typeof io !== "string") return io;
  const bytes = (name: string) => Number(new RegExp(`^${name}: (\\d+)$`, "m").exec(io)?.[1] ?? 0);
  return bytes("read_bytes") + bytes("write_bytes");
}

/** 0 for a process that is gone, null for one that we may not look at. */
function ifAllowed<T>(read: () => T): T | 0 | null {
  try {
    return read();
  } catch (error) {
    const code = systemCode(error) ?? "";
    if (code === "ENOENT" || code === "ESRCH") return 0;
    if (code === "EACCES" || code === "EPERM") return null;
    throw error;
  }
}

function sum(values: readonly (number | null)[]): number | null {
  let total = 0;
  for (const value of values) {
    if (value === null) return null;
    total += value;
  }
  return total;
}
