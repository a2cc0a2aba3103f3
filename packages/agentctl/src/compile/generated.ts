import { type Dirent, mkdirSync, readFileSync } from "node:fs";
import { readdir, rm, rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { type DarumaError, makeDirectories, messageOf, replaceFile, systemCode } from "@daruma/base";
import { compileErrors } from "./catalogue.ts";
import { generatedMark, hostFile } from "./compile.ts";

/** How a generated file differs from what the fleet file says. */
export interface Difference {
  /** Below the directory of generated files. */
  readonly path: string;
  /** `orphaned`: of a host that the fleet does not have any more. */
  readonly state: "missing" | "stale" | "orphaned";
}

export interface WriteResult {
  readonly written: readonly string[];
  readonly removed: readonly string[];
  readonly unchanged: number;
}

type Files = ReadonlyMap<string, string>;

/** How many files are read or written before anything else of the process may run, such as the end that Ctrl-C asks for. */
const batch = 64;

/**
 * Compares the directory `out` with what should be in it. Changes nothing.
 *
 * @throws COMPILE_E_FOREIGN when a file is in the way that agentctl did not write, COMPILE_E_OUT when `out` is unusable.
 */
export async function checkGenerated(out: string, files: Files): Promise<readonly Difference[]> {
  return guarded(out, async () => {
    const found: Difference[] = [];
    const foreign: string[] = [];
    const entries = (await readdir(out, { withFileTypes: true }).catch(absent)) ?? [];
    const names = new Set(entries.map(({ name }) => name));
    await eachOf(files, ([path, text]) => {
      // Of a new fleet, none is: looking for each in vain takes longer than reading the directory.
      const existing = names.has(dirname(path)) ? readIfThere(join(out, path)) : undefined;
      if (existing === text) return;
      if (existing === undefined) found.push({ path, state: "missing" });
      else if (isOurs(existing)) found.push({ path, state: "stale" });
      else foreign.push(path);
    });
    if (foreign.length > 0) throw foreignError(out, foreign.sort());
    const orphans = await orphansIn(out, entries, files);
    found.push(...orphans.map((path) => ({ path, state: "orphaned" }) as const));
    return found.sort((a, b) => (a.path < b.path ? -1 : 1));
  });
}

/**
 * Makes the directory `out` hold exactly the generated files: writes those that differ, each as a whole, and removes those
 * of hosts that are gone. Files that agentctl did not write are left alone.
 *
 * @throws COMPILE_E_FOREIGN, COMPILE_E_OUT
 */
export async function writeGenerated(out: string, files: Files): Promise<WriteResult> {
  const differences = await checkGenerated(out, files);
  const changed = differences.filter(({ state }) => state !== "orphaned");
  const written = changed.map(({ path }) => path);
  const removed = differences.filter(({ state }) => state === "orphaned").map(({ path }) => path);
  return guarded(out, async () => {
    if (written.length > 0) await makeDirectories(out);
    await eachOf(changed, ({ path, state }) => {
      if (state === "missing") makeHostDirectory(join(out, dirname(path)));
      replaceFile(join(out, path), files.get(path) ?? "");
    });
    await eachOf(removed, (path) => removeFile(join(out, path)));
    return { written, removed, unchanged: files.size - written.length };
  });
}

/** The error with which `agentctl compile --check` ends when there are differences. */
export function staleError(out: string, differences: readonly Difference[]): DarumaError {
  const count =
    differences.length === 1 ? "a generated file does" : `${differences.length} generated files do`;
  return compileErrors.make("COMPILE_E_STALE", `${count} not match the fleet file`, {
    where: out,
    problems: differences.map(({ path, state }) => ({ path, message: stateText[state] })),
  });
}

const stateText = {
  missing: "is missing",
  stale: "is stale",
  orphaned: "is of a host that the fleet does not have",
} as const;

async function orphansIn(out: string, entries: readonly Dirent[], files: Files): Promise<string[]> {
  const candidates = entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => hostFile(entry.name))
    .filter((path) => !files.has(path));
  const orphans: string[] = [];
  await eachOf(candidates, (path) => {
    const text = readIfThere(join(out, path));
    if (text !== undefined && isOurs(text)) orphans.push(path);
  });
  return orphans;
}

/** In this thread, as reading is: the directories of a thousand hosts are made in a fifth of the time. */
function makeHostDirectory(path: string): void {
  try {
    mkdirSync(path);
  } catch (error) {
    if (systemCode(error) !== "EEXIST") throw error;
  }
}

async function removeFile(path: string): Promise<void> {
  await rm(path, { force: true });
  // What else a person put beside it stays.
  await rmdir(dirname(path)).catch((error: unknown) => {
    if (systemCode(error) !== "ENOTEMPTY" && systemCode(error) !== "ENOENT") throw error;
  });
}

function isOurs(text: string): boolean {
  return text.startsWith(generatedMark);
}

/** In this thread: of a thousand files, nine tenths of the time would go into handing each step to another. */
function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    return absent(error);
  }
}

function absent(error: unknown): undefined {
  if (systemCode(error) === "ENOENT") return undefined;
  throw error;
}

function foreignError(out: string, paths: readonly string[]): DarumaError {
  const what = paths.length === 1 ? "a file is" : `${paths.length} files are`;
  return compileErrors.make("COMPILE_E_FOREIGN", `${what} in the way that agentctl did not write`, {
    where: out,
    problems: paths.map((path) => ({ path, message: "would be overwritten" })),
  });
}

/** Turns errors of the file system into one that a user can act on. */
async function guarded<T>(out: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof Error && "syscall" in error && systemCode(error) !== undefined) {
      throw compileErrors.make("COMPILE_E_OUT", messageOf(error), { where: out, cause: error });
    }
    throw error;
  }
}

async function eachOf<T>(items: Iterable<T>, action: (item: T) => Promise<void> | void): Promise<void> {
  let count = 0;
  for (const item of items) {
    count += 1;
    if (count % batch === 0) await setImmediate();
    await action(item);
  }
}
