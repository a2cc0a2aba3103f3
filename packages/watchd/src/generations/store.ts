import { randomBytes } from "node:crypto";
import { readdir, rename, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { messageOf, syncDirectory, systemCode } from "@daruma/base";
import { watchdErrors } from "../catalogue.ts";
import { removeTree, sealTree } from "./copy-tree.ts";
import { exists, isStoreName, isTemporaryName, type Layout, writing } from "./layout.ts";
import { listTree, type TreeEntry, treeHash } from "./tree.ts";

/**
 * Puts a tree into the store: `fill` writes it into the directory it is given and returns its listing. The store path
 * appears whole or not at all. One that exists already is verified, not written again.
 *
 * @returns the name in the store.
 * @throws GENERATION_E_CORRUPT, GENERATION_E_WRITE, whatever `fill` throws that is a DarumaError.
 */
export async function addToStore(
  layout: Layout,
  label: string,
  fill: (directory: string) => Promise<readonly TreeEntry[]>,
): Promise<string> {
  const temporary = join(layout.store, `.tmp-${randomBytes(8).toString("hex")}`);
  return writing(layout.store, async () => {
    try {
      const entries = await fill(temporary);
      const name = `${treeHash(entries)}-${label}`;
      if (await useExisting(layout, name)) return name;
      await sealTree(temporary, entries);
      await publish(layout, temporary, name);
      return name;
    } finally {
      await removeTree(temporary);
    }
  });
}

/** Whether the store has `name`, whole; if so, it counts as new again for the garbage collection. */
export async function useExisting(layout: Layout, name: string): Promise<boolean> {
  const path = join(layout.store, name);
  if (!(await exists(path))) return false;
  const problem = await hashProblem(layout, name);
  if (problem !== null) {
    throw watchdErrors.make("GENERATION_E_CORRUPT", problem, {
      where: path,
      hint: `Remove it (chmod -R u+w ${path}; rm -r ${path}) and deploy again: it is then made anew.`,
    });
  }
  const now = new Date();
  await utimes(path, now, now);
  return true;
}

async function publish(layout: Layout, temporary: string, name: string): Promise<void> {
  try {
    await rename(temporary, join(layout.store, name));
  } catch (error) {
    const taken = systemCode(error) === "ENOTEMPTY" || systemCode(error) === "EEXIST";
    // Another process was faster with the same content.
    if (!taken || !(await useExisting(layout, name))) throw error;
  }
  await syncDirectory(layout.store);
}

/** All names in the store, with the age of each in milliseconds; temporary ones too. */
export async function storeNames(layout: Layout, now: number): Promise<{ name: string; ageMs: number }[]> {
  const names = (await readdir(layout.store)).filter((name) => isStoreName(name) || isTemporaryName(name));
  const found: { name: string; ageMs: number }[] = [];
  for (const name of names) {
    try {
      found.push({ name, ageMs: now - (await stat(join(layout.store, name))).mtimeMs });
    } catch (error) {
      if (systemCode(error) !== "ENOENT") throw error;
    }
  }
  return found;
}

/** Renames it first: what is half removed must not look like a store path. */
export async function removeFromStore(layout: Layout, name: string): Promise<void> {
  const temporary = join(layout.store, `.tmp-${randomBytes(8).toString("hex")}`);
  await rename(join(layout.store, name), temporary);
  await removeTree(temporary);
}

/** What is wrong with one store path, or `null`. */
export async function hashProblem(layout: Layout, name: string): Promise<string | null> {
  const path = join(layout.store, name);
  try {
    return treeHash(await listTree(path)) === name.slice(0, 32) ? null : `${path} is not what its hash says`;
  } catch (error) {
    if (systemCode(error) === "ENOENT") return `${path} does not exist, or parts of it`;
    return `${path} cannot be verified: ${messageOf(error)}`;
  }
}
