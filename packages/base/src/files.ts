import { randomBytes } from "node:crypto";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { systemCode } from "./errors.ts";

/**
 * Replaces `path` as a whole: after a crash at any moment it holds the old text or the new one, and once this resolves
 * the new one survives a power cut.
 */
export async function writeFileAtomic(path: string, data: string | Uint8Array, mode = 0o644): Promise<void> {
  const directory = dirname(path);
  await makeDirectories(directory);
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    const handle = await open(temporary, "wx", mode);
    try {
      await handle.writeFile(data);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(directory);
}

/**
 * Makes a directory and those above it that are missing. Node's own recursive mkdir does the same but never ends where a
 * directory exists in which nothing can be made (/proc): there the kernel says ENOENT, which it takes for a missing parent.
 */
export async function makeDirectories(path: string, mode = 0o777): Promise<void> {
  try {
    await makeDirectory(path, mode);
  } catch (error) {
    const parent = dirname(path);
    if (systemCode(error) !== "ENOENT" || parent === path) throw error;
    await makeDirectories(parent, mode);
    await makeDirectory(path, mode);
  }
}

async function makeDirectory(path: string, mode: number): Promise<void> {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    // Whatever the kernel says first (EEXIST, EROFS, EACCES): a directory that is there is enough.
    const found = await stat(path).catch(() => null);
    if (found?.isDirectory() !== true) throw error;
  }
}

/** Makes renames and new names in `directory` durable. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
