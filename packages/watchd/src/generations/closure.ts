import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "@daruma/base";
import { watchdErrors } from "../catalogue.ts";
import { exists, isStoreName, type Layout } from "./layout.ts";
import { hashProblem } from "./store.ts";
import { listTree, type TreeEntry } from "./tree.ts";

/** File of a generation that names, one a line, the other store paths it needs. */
const referencesFile = "references";
const manifestFile = "host.json";

/** Makes the directory of a generation: its manifest and the names of the store paths that it needs. */
export async function fillGeneration(
  directory: string,
  manifest: string,
  references: readonly string[],
): Promise<readonly TreeEntry[]> {
  await mkdir(directory, { mode: 0o700 });
  await writeFile(join(directory, manifestFile), manifest);
  await writeFile(join(directory, referencesFile), references.map((name) => `${name}\n`).join(""));
  return listTree(directory);
}

/**
 * The store names that a generation needs besides its own. Lines that are none are left out.
 *
 * @throws GENERATION_E_CORRUPT
 */
export async function referencesOf(layout: Layout, name: string): Promise<string[]> {
  const path = join(layout.store, name);
  try {
    return (await readFile(join(path, referencesFile), "utf8")).split("\n").filter(isStoreName);
  } catch (cause) {
    throw watchdErrors.make("GENERATION_E_CORRUPT", `${path}: ${messageOf(cause)}`, { where: path, cause });
  }
}

/** The file with the manifest of a generation. */
export function manifestFileOf(layout: Layout, name: string): string {
  return join(layout.store, name, manifestFile);
}

/** Everything that is wrong with a generation and what it needs; empty if all of it is what the hashes say. */
export async function closureProblems(layout: Layout, name: string): Promise<string[]> {
  let references: readonly string[] = [];
  try {
    references = await referencesOf(layout, name);
  } catch {
    // Part of the tree that is hashed below: what is wrong with it shows there.
  }
  const problems: string[] = [];
  for (const each of [name, ...references]) {
    const problem = await hashProblem(layout, each);
    if (problem !== null) problems.push(problem);
  }
  return problems;
}

/** What of a generation is not there, without looking inside: enough to refuse a switch that cannot work. */
export async function missingFrom(layout: Layout, name: string): Promise<string[]> {
  const path = join(layout.store, name);
  if (!(await exists(manifestFileOf(layout, name)))) return [`${path} does not exist`];
  const missing: string[] = [];
  for (const reference of await referencesOf(layout, name)) {
    const needed = join(layout.store, reference);
    if (!(await exists(needed))) missing.push(`${needed} does not exist`);
  }
  return missing;
}
