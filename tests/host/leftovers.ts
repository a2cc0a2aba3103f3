/** Where hosts work, and how what is left of one is taken away. */
import { readdirSync, readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { run } from "./run.ts";

/** On a disk, where nobody cleans up and nobody but root writes. */
export const workDirectory = "/var/lib/daruma-test-host";
const script = join(import.meta.dirname, "machine", "discard.sh");
const withinMs = 30_000;

/** A directory for one host, named as its cgroup. The name says whose it is: pid and start time of the process. */
export interface Place {
  readonly name: string;
  readonly directory: string;
}

let made = 0;

export async function newPlace(): Promise<Place> {
  made += 1;
  const name = `daruma-test-host-${process.pid}-${startTimeOf(process.pid)}-${made}`;
  const place = { name, directory: join(workDirectory, name) };
  await mkdir(place.directory, { recursive: true });
  return place;
}

/** Ends every process of the host and removes what it had. A host does so itself when its test is gone. */
export async function discard({ name, directory }: Place): Promise<void> {
  await run("unshare", ["-m", script, name, directory], withinMs);
}

/** Discards the hosts of processes that are gone: those that could not do it themselves. */
export async function discardLeftovers(): Promise<void> {
  await mkdir(workDirectory, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(workDirectory)) {
    const [pid, startTime] = name.split("-").slice(3);
    if (startTime !== undefined && startTimeOf(Number(pid)) === startTime) continue;
    await discard({ name, directory: join(workDirectory, name) });
  }
}

/** In clock ticks since boot, field 22 of proc_pid_stat(5); undefined for a process that is not there. */
function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}
