import { readFileSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { counted, known, one, type Samples } from "./sample.ts";

/** What is read of the host; text as the kernel has it (proc(5)), null where it cannot be read. */
export interface HostUsage {
  readonly loadavg: string | null;
  readonly meminfo: string | null;
  readonly netDev: string | null;
  readonly processors: number;
  readonly disks: readonly { readonly path: string; readonly size: number; readonly available: number }[];
}

/** A file system that does not answer within this (one of a network) is left out. */
const diskMs = 500;

/** Paths whose file system has not answered yet: it is not asked again until it does. */
const unanswered = new Set<string>();

/** Reads what the whole host uses. Never rejects, and waits for no disk. */
export async function readHost(paths: readonly string[]): Promise<HostUsage> {
  const disks = await Promise.all(paths.map(diskOf));
  return {
    loadavg: textOf("/proc/loadavg"),
    meminfo: textOf("/proc/meminfo"),
    netDev: textOf("/proc/self/net/dev"),
    processors: availableParallelism(),
    disks: disks.filter((disk) => disk !== null),
  };
}

async function diskOf(path: string): Promise<HostUsage["disks"][number] | null> {
  if (unanswered.has(path)) return null;
  unanswered.add(path);
  const asked = statfs(path)
    .then(
      ({ bsize, blocks, bavail }) => ({ path, size: bsize * blocks, available: bsize * bavail }),
      () => null,
    )
    .finally(() => unanswered.delete(path));
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(resolve, diskMs, null);
  });
  return await Promise.race([asked, late]).finally(() => clearTimeout(timer));
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return null;
  }
}

export function hostSamples({ loadavg, meminfo, netDev, processors, disks }: HostUsage): Samples {
  const [one1, five, fifteen] = (loadavg ?? "").split(" ");
  const averages = { "1": one1, "5": five, "15": fifteen };
  const devices = devicesOf(netDev ?? "");
  return {
    daruma_host_load_average: Object.entries(averages).flatMap(([minutes, value]) =>
      known(numberOf(value), { minutes }),
    ),
    daruma_host_processors: [one(processors)],
    daruma_host_memory_size_bytes: known(memoryOf(meminfo ?? "", "MemTotal")),
    daruma_host_memory_available_bytes: known(memoryOf(meminfo ?? "", "MemAvailable")),
    daruma_host_filesystem_size_bytes: disks.map(({ path, size }) => one(size, { path })),
    daruma_host_filesystem_available_bytes: disks.map(({ path, available }) => one(available, { path })),
    daruma_host_network_bytes_total: devices.flatMap(({ device, received, sent }) =>
      counted({ received, sent }, "direction", { device }),
    ),
  };
}

function memoryOf(meminfo: string, name: string): number | null {
  const found = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(meminfo);
  return found === null ? null : Number(found[1]) * 1024;
}

/** proc_pid_net(5), net/dev: after the name, 16 columns, bytes first of the received and of the sent. Without loopback. */
function devicesOf(netDev: string): readonly { device: string; received: number; sent: number }[] {
  return netDev.split("\n").flatMap((line) => {
    const [, device = "", rest = ""] = /^\s*([^\s:|]+):\s*(.*)$/.exec(line) ?? [];
    const columns = rest.split(/\s+/).map(Number);
    const [received, sent] = [columns[0], columns[8]];
    if (device === "" || device === "lo" || received === undefined || sent === undefined) return [];
    return [{ device, received, sent }];
  });
}

function numberOf(text: string | undefined): number | null {
  return text === undefined || text === "" ? null : Number(text);
}
