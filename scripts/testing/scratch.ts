/** Where the tests keep what they write: in memory where they can, since most of what they wait for is a disk. */
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, statfsSync } from "node:fs";
import { join } from "node:path";

const memory = "/dev/shm";
const leastBytes = 4 * 1024 ** 3;

/**
 * A directory in memory that goes with this process; null where there is none with enough room in which a program may be run, or
 * where TMPDIR names a place already. A process that is killed leaves the same in memory as on a disk; only a power cut would not,
 * and no test has one.
 */
export function scratchInMemory(): string | null {
  if (process.env.TMPDIR !== undefined || !isSuitable()) return null;
  // Short, since sockets go in it.
  const directory = mkdtempSync(join(memory, "d-"));
  process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
  // Whoever breaks the tests off gets the memory back as well.
  for (const [signal, number] of Object.entries({ SIGINT: 2, SIGTERM: 15 }))
    process.once(signal, () => process.exit(128 + number));
  return directory;
}

function isSuitable(): boolean {
  try {
    accessSync(memory, constants.W_OK);
    const { bavail, bsize } = statfsSync(memory);
    const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n");
    const options = mounts.findLast((line) => line.split(" ")[1] === memory)?.split(" ")[3] ?? "noexec";
    return bavail * bsize >= leastBytes && !options.split(",").includes("noexec");
  } catch {
    return false;
  }
}
