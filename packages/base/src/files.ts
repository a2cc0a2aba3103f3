import { randomUUID } from "node:crypto";
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { systemCode } from "./errors.ts";

/**
 * Replaces `path` as a whole: after a crash at any moment it holds the old text or the new one, and once this resolves
 * the new one survives a power cut.
 */
export async function writeFileAtomic(path: string, data: string | Uint8Array, mode = 0o644): Promise<void> {
  await makeDirectories(dirname(path));
  const temporary = temporaryFor(path);
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
  await syncDirectory(dirname(path));
}

/**
 * `writeFileAtomic` for what can be made again, in a directory that is there: a process that dies leaves the old text or the new
 * one, a power cut may leave less. Waiting for the disk is what takes the time where there are thousands of files; without it,
 * handing each call to another thread is, so that this one makes them itself.
 */
export function replaceFile(path: string, text: string, mode = 0o644): void {
  const temporary = temporaryFor(path);
  try {
    // With its encoding named, a text is opened, written and closed in one step.
    writeFileSync(temporary, text, { flag: "wx", mode, encoding: "utf8" });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function temporaryFor(path: string): string {
  return `${path}.${randomUUID()}.tmp`;
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
