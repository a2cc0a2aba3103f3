import { mkdir, realpath, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { type DarumaError, isDarumaError, messageOf, systemCode } from "@daruma/base";
import { watchdErrors } from "../catalogue.ts";

/**
 * The directories of generations, laid out and meant as in Nix: `store/HASH-daruma-HOST` and `store/HASH-source-NAME`
 * are named after their content and never change, `profiles/system` points at the current generation,
 * `gcroots/known-good` at those that are kept for a rollback.
 */
export interface Layout {
  /** Without symbolic links in it. */
  readonly root: string;
  readonly store: string;
  readonly profiles: string;
  readonly knownGood: string;
}

/** @throws GENERATION_E_WRITE */
export async function prepareLayout(root: string): Promise<Layout> {
  return writing(root, async () => {
    await mkdir(root, { recursive: true, mode: 0o700 });
    const real = await realpath(root);
    const layout = {
      root: real,
      store: join(real, "store"),
      profiles: join(real, "profiles"),
      knownGood: join(real, "gcroots", "known-good"),
    };
    for (const directory of [layout.store, layout.profiles, layout.knownGood]) {
      await mkdir(directory, { recursive: true });
    }
    return layout;
  });
}

const storeName = /^[0-9a-z]{32}-(?:daruma|source)-[A-Za-z0-9+_][A-Za-z0-9+._-]*$/;
const temporaryName = /^\.tmp-[0-9a-f]+$/;

export function isStoreName(name: string): boolean {
  return storeName.test(name);
}

/** Whether a store name is that of a generation, rather than of a source. */
export function isGenerationName(name: string): boolean {
  return isStoreName(name) && name.startsWith("-daruma-", 32);
}

export function isTemporaryName(name: string): boolean {
  return temporaryName.test(name);
}

/** The name in the store of a path given by a person or a journal, or `null` if it is none of this store. */
export function storeNameOf(layout: Layout, path: string): string | null {
  const absolute = resolve(path);
  const name = basename(absolute);
  return dirname(absolute) === layout.store && isStoreName(name) ? name : null;
}

/** A user's name for something, made fit for a store path: `my stuff!` becomes `my-stuff-`. */
export function safeName(name: string): string {
  const safe = name
    .replace(/[^A-Za-z0-9+._-]/g, "-")
    .replace(/^[.-]+/, "")
    .slice(0, 64);
  return safe === "" ? "unnamed" : safe;
}

export async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (systemCode(error) === "ENOENT" || systemCode(error) === "ENOTDIR") return false;
    throw error;
  }
}

/** Turns what the file system says into GENERATION_E_WRITE. Errors that are ours, and bugs, pass. */
export async function writing<T>(where: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isDarumaError(error) || systemCode(error) === undefined) throw error;
    throw writeError(where, error);
  }
}

function writeError(where: string, cause: unknown): DarumaError {
  return watchdErrors.make("GENERATION_E_WRITE", `cannot write below ${where}: ${messageOf(cause)}`, {
    where,
    cause,
  });
}
