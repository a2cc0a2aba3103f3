import { realpath, stat } from "node:fs/promises";
import { basename, relative, sep } from "node:path";
import { type DarumaError, isDarumaError, messageOf, systemCode } from "@daruma/base";
import { watchdErrors } from "../catalogue.ts";
import { copyTree, linksThatLeave } from "./copy-tree.ts";
import { type Layout, safeName } from "./layout.ts";
import { addToStore, useExisting } from "./store.ts";
import { firstDifference, listTree, type TreeEntry, TreeProblem, treeHash } from "./tree.ts";

export interface StoredSource {
  /** Name in the store. */
  readonly name: string;
  /** What a user should know, though it stops nothing. */
  readonly warnings: readonly string[];
}

/** Where `agentctl dev` keeps its state, generations among it: a source that has it inside would never stop growing. */
const ownDirectories: ReadonlySet<string> = new Set([".daruma"]);

/**
 * Copies a directory of code into the store, without any `.daruma` in it. `node_modules` and `.git` come along as they
 * are, and so do symbolic links.
 *
 * @param directory without symbolic links in it, see sourceDirectory.
 * @throws GENERATION_E_SOURCE, GENERATION_E_CORRUPT, GENERATION_E_WRITE
 */
export async function addSource(layout: Layout, directory: string): Promise<StoredSource> {
  refuseOwnStore(layout, directory);
  const before = await listSource(directory);
  const label = `source-${safeName(basename(directory))}`;
  const known = `${treeHash(before)}-${label}`;
  const name = (await useExisting(layout, known))
    ? known
    : await addToStore(layout, label, (copy) => copyUnchanged(directory, copy, before));
  const warnings = linksThatLeave(before).map(
    ({ path, target }) =>
      `${directory}: the link ${path} leads out of the source, to ${target}, which is not copied`,
  );
  return { name, warnings };
}

/** The directory of a source without symbolic links, or what is wrong with it. */
export async function sourceDirectory(
  path: string,
): Promise<{ readonly directory: string } | { readonly problem: string }> {
  try {
    if (!(await stat(path)).isDirectory()) return { problem: `${path} is not a directory` };
    return { directory: await realpath(path) };
  } catch (error) {
    const missing = systemCode(error) === "ENOENT" || systemCode(error) === "ENOTDIR";
    return { problem: missing ? `${path} does not exist` : messageOf(error) };
  }
}

/** Every file is read before the first is copied, and all are compared afterwards: what differs was changed meanwhile. */
async function copyUnchanged(
  directory: string,
  copy: string,
  before: readonly TreeEntry[],
): Promise<readonly TreeEntry[]> {
  try {
    await copyTree(directory, copy, before);
  } catch (error) {
    if (systemCode(error) === "ENOENT") throw changed(directory, messageOf(error));
    throw error;
  }
  const copied = await listTree(copy);
  const difference = firstDifference(before, copied) ?? firstDifference(before, await listSource(directory));
  if (difference !== null) throw changed(directory, difference);
  return copied;
}

async function listSource(directory: string): Promise<TreeEntry[]> {
  try {
    return await listTree(directory, ownDirectories);
  } catch (error) {
    if (systemCode(error) === "ENOENT") throw changed(directory, messageOf(error));
    if (error instanceof TreeProblem) throw unusable(directory, `${error.path} ${error.message}`, error);
    if (isDarumaError(error) || systemCode(error) === undefined) throw error;
    throw unusable(directory, messageOf(error), error);
  }
}

function refuseOwnStore(layout: Layout, directory: string): void {
  const inside = relative(directory, layout.root).split(sep);
  if (inside[0] === ".." || inside.some((part) => ownDirectories.has(part))) return;
  throw unusable(directory, `the generations are kept in it, in ${layout.root}`);
}

function changed(directory: string, what: string): DarumaError {
  return watchdErrors.make("GENERATION_E_SOURCE", `${directory} was changed while it was copied: ${what}`, {
    where: directory,
    hint: "Deploy again once nothing writes into the directory.",
  });
}

function unusable(directory: string, why: string, cause?: unknown): DarumaError {
  return watchdErrors.make("GENERATION_E_SOURCE", `cannot copy ${directory}: ${why}`, {
    where: directory,
    cause,
  });
}
