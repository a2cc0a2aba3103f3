import { readdirSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { systemCode } from "@daruma/base";
import type { Usage } from "../ports.ts";
import { type ProcessInfo, pageBytes, readShort, ticksPerSecond } from "./process-table.ts";

/** How many runs are measured in one go: some milliseconds. */
const measuredAtOnce = 50;

/** What each run uses, by its processes. Between a few and the next, whatever else has happened gets its turn. */
export async function usageOfRuns(
  runs: ReadonlyMap<string, readonly Pick<ProcessInfo, "pid">[]>,
): Promise<ReadonlyMap<string, Usage>> {
  const used = new Map<string, Usage>();
  for (const [runId, processes] of runs) {
    if (used.size % measuredAtOnce === measuredAtOnce - 1) await nextTurn();
    used.set(runId, usageOfProcesses(processes.map(({ pid }) => pid)));
  }
  return used;
}

/**
 * What these processes use together, from /proc: for where no control group counts it. Pages that they share are counted for each of
 * them, and a process that ends takes with it what it has used of processor and disks, but for what its parent has waited for. What
 * may not be looked at of one of them is null for all.
 */
export function usageOfProcesses(pids: readonly number[]): Usage {
  const times = pids.map(readTimes);
  return {
    memoryBytes: sum(times.map((each) => each.residentBytes)),
    cpuMs: sum(times.map((each) => each.cpuMs)),
    openFiles: openFilesOf(pids),
    tasks: sum(times.map((each) => each.tasks)),
    ioBytes: sum(pids.map(readIoBytes)),
  };
}

/** File descriptors; null where one of the processes does not let us look. */
export function openFilesOf(pids: readonly number[]): number | null {
  return sum(pids.map((pid) => ifAllowed(() => readdirSync(`/proc/${pid}/fd`).length)));
}

interface Times {
  readonly cpuMs: number;
  readonly tasks: number;
  readonly residentBytes: number;
}

/** Fields 14 to 17, 20 and 24 of proc_pid_stat(5), which everybody may read. */
function readTimes(pid: number): Times {
  const stat = ifAllowed(() => readShort(`/proc/${pid}/stat`));
  // It has gone meanwhile, or systems with hidepid= hide it: it counts for nothing.
  if (typeof stat !== "string") return { cpuMs: 0, tasks: 0, residentBytes: 0 };
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const field = (number: number) => Number(fields[number - 3] ?? 0);
  const ticks = field(14) + field(15) + field(16) + field(17);
  const residentBytes = field(24) * pageBytes();
  return { cpuMs: (ticks * 1_000) / ticksPerSecond, tasks: field(20), residentBytes };
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
