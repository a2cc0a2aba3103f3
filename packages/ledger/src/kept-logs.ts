import { copyFile, link, mkdir, readdir, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { systemCode } from "@daruma/base";

/**
 * LevelDB replays its log files when it opens, skips what it cannot read, and deletes them. So that opening never
 * destroys evidence, each log gets a second name in `keptDirectory` first, and loses it once the store has proven good.
 *
 * @returns the names that were not kept before, for `forgetLogs`.
 */
export async function keepLogs(levelDirectory: string, keptDirectory: string): Promise<readonly string[]> {
  const logs = (await readdir(levelDirectory)).filter((name) => /^\d+\.log$/.test(name));
  if (logs.length === 0) return [];
  await mkdir(keptDirectory, { recursive: true, mode: 0o700 });
  const kept: string[] = [];
  for (const name of logs) {
    if (await keep(join(levelDirectory, name), join(keptDirectory, name))) kept.push(name);
  }
  return kept;
}

/** Undoes a `keepLogs` after which nothing was opened. */
export async function forgetLogs(keptDirectory: string, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  for (const name of names) await rm(join(keptDirectory, name), { force: true });
  // What an earlier start has kept stays.
  await rmdir(keptDirectory).catch((error: unknown) => {
    if (!["ENOENT", "ENOTEMPTY"].includes(systemCode(error) ?? "")) throw error;
  });
}

/** The store is good: what was kept, now or at an earlier start that was cut short, is no evidence of anything. */
export async function forgetAllLogs(keptDirectory: string): Promise<void> {
  await rm(keptDirectory, { recursive: true, force: true });
}

async function keep(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    const code = systemCode(error) ?? "";
    // A name that is taken was kept by an earlier start, before LevelDB touched anything. A log that is gone belonged
    // to a living ledgerd, whose lock will be met next.
    if (code === "EEXIST" || code === "ENOENT") return false;
    if (!["EPERM", "ENOTSUP", "EMLINK"].includes(code)) throw error;
  }
  // A file system without hard links.
  await copyFile(from, to);
  return true;
}
