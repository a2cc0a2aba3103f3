import { join } from "node:path";
import { systemCode } from "@daruma/base";
import type { Usage } from "../ports.ts";
import { openFilesOf, usageOfProcesses } from "../processes/process-usage.ts";
import { readIfThere } from "./traces.ts";

/**
 * What the processes of a control group use together. Whatever the kernel counts for the group is taken from there (cgroups(7), version
 * 2); what it does not, for want of a controller, is summed up over its processes. Null where the group has gone.
 */
export function usageOfGroup(group: string): Usage | null {
  try {
    const procs = readIfThere(join(group, "cgroup.procs"));
    if (procs === null) return null;
    const pids = procs.split("\n").flatMap((line) => (line === "" ? [] : [Number(line)]));
    const counted = {
      memoryBytes: memoryOf(group),
      cpuMs: cpuOf(group),
      tasks: numberIn(group, "pids.current"),
      ioBytes: ioOf(group),
    };
    const all = Object.values(counted).every((value) => value !== null);
    const summed = all ? null : usageOfProcesses(pids);
    return {
      memoryBytes: counted.memoryBytes ?? summed?.memoryBytes ?? null,
      cpuMs: counted.cpuMs ?? summed?.cpuMs ?? null,
      openFiles: summed === null ? openFilesOf(pids) : summed.openFiles,
      tasks: counted.tasks ?? summed?.tasks ?? null,
      ioBytes: counted.ioBytes ?? summed?.ioBytes ?? null,
    };
  } catch (error) {
    if (systemCode(error) === "ENODEV") return null;
    throw error;
  }
}

/** What the kernel charges the group, less file pages that it can drop at any time: near to what MemoryMax= goes by. */
function memoryOf(group: string): number | null {
  const charged = numberIn(group, "memory.current");
  if (charged === null) return null;
  const inactive = /^inactive_file (\d+)$/m.exec(readIfThere(join(group, "memory.stat")) ?? "")?.[1];
  return Math.max(0, charged - Number(inactive ?? 0));
}

function cpuOf(group: string): number | null {
  const usec = /^usage_usec (\d+)$/m.exec(readIfThere(join(group, "cpu.stat")) ?? "")?.[1];
  return usec === undefined ? null : Number(usec) / 1_000;
}

/** Of all devices together. */
function ioOf(group: string): number | null {
  const stat = readIfThere(join(group, "io.stat"));
  if (stat === null) return null;
  let bytes = 0;
  for (const [, amount] of stat.matchAll(/\b[rw]bytes=(\d+)/g)) bytes += Number(amount);
  return bytes;
}

function numberIn(group: string, file: string): number | null {
  const text = readIfThere(join(group, file));
  return text === null || !/^\d+\s*$/.test(text) ? null : Number(text);
}
