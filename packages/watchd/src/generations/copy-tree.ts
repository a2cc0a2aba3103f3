import { constants } from "node:fs";
import { chmod, copyFile, lstat, mkdir, open, readdir, rm, symlink } from "node:fs/promises";
import { dirname, join, posix } from "node:path";
import { syncDirectory } from "@daruma/base";
import { mapLimit } from "../concurrency.ts";
import type { TreeEntry } from "./tree.ts";

/** Copies what `entries` lists of `from` into the new directory `to`. Nothing is synced or sealed yet. */
export async function copyTree(from: string, to: string, entries: readonly TreeEntry[]): Promise<void> {
  await mkdir(to, { mode: 0o700 });
  for (const { path } of ofType(entries, "directory")) await mkdir(join(to, path), { mode: 0o700 });
  for (const { path, target } of ofType(entries, "symlink")) await symlink(target, join(to, path));
  await mapLimit(ofType(entries, "file"), 4, async ({ path }) => {
    await copyFile(join(from, path), join(to, path), constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  });
}

/** Takes all write permissions away and syncs every file and directory of the tree: after this it can be relied on. */
export async function sealTree(root: string, entries: readonly TreeEntry[]): Promise<void> {
  await mapLimit(ofType(entries, "file"), 4, async ({ path, executable }) => {
    const handle = await open(join(root, path), "r");
    try {
      await handle.chmod(executable ? 0o555 : 0o444);
      await handle.sync();
    } finally {
      await handle.close();
    }
  });
  const directories = ofType(entries, "directory").map(({ path }) => join(root, path));
  await mapLimit([...directories, root], 4, async (directory) => {
    await chmod(directory, 0o555);
    await syncDirectory(directory);
  });
}

/** Removes a tree, sealed or not. One that is not there is no error. */
export async function removeTree(root: string): Promise<void> {
  await unsealDirectories(root);
  await rm(root, { recursive: true, force: true });
}

/** Symbolic links that lead out of the tree: what they point at does not come along. */
export function linksThatLeave(entries: readonly TreeEntry[]): { path: string; target: string }[] {
  return ofType(entries, "symlink").filter(({ path, target }) => {
    const inside = posix.join(dirname(path), target);
    return posix.isAbsolute(target) || inside === ".." || inside.startsWith("../");
  });
}

async function unsealDirectories(directory: string): Promise<void> {
  try {
    if (!(await lstat(directory)).isDirectory()) return;
    await chmod(directory, 0o700);
    const children = await readdir(directory);
    for (const child of children) await unsealDirectories(join(directory, child));
  } catch {
    // Only the removal that follows can tell whether it matters.
  }
}

function ofType<K extends TreeEntry["type"]>(
  entries: readonly TreeEntry[],
  type: K,
): Extract<TreeEntry, { type: K }>[] {
  return entries.filter((entry): entry is Extract<TreeEntry, { type: K }> => entry.type === type);
}
