import type { BigIntStats } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { systemCode } from "@daruma/base";

/** What tells one state of a file from another: by its path. */
export type Look = ReadonlyMap<string, string>;

/** More files than this below one path are not looked at: it is meant for an inbox, not for a disk. */
export const mostFiles = 10_000;

/**
 * The files at and below a path. Links are looked at, not followed; what goes away meanwhile is not there.
 *
 * @throws Error where there are more than `mostFiles`, and Error of the file system
 */
export async function lookAt(path: string): Promise<Look> {
  const found = new Map<string, string>();
  await collect(path, found);
  return found;
}

async function collect(path: string, found: Map<string, string>): Promise<void> {
  const stats = await lstat(path, { bigint: true }).catch(absent);
  if (stats === undefined) return;
  if (!stats.isDirectory()) {
    if (found.size >= mostFiles) throw new Error(`there are more than ${mostFiles} files`);
    found.set(path, stateOf(stats));
    return;
  }
  for (const name of (await readdir(path).catch(absent)) ?? []) await collect(join(path, name), found);
}

function stateOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(" ");
}

/** The first path, in order, that is new or another one than before; null if there is none. */
export function firstChange(before: Look, after: Look): string | null {
  const changed = [...after].filter(([path, state]) => before.get(path) !== state).map(([path]) => path);
  return changed.sort()[0] ?? null;
}

export function isSame(a: Look, b: Look): boolean {
  return a.size === b.size && firstChange(a, b) === null;
}

function absent(error: unknown): undefined {
  const code = systemCode(error);
  if (code === "ENOENT" || code === "ENOTDIR") return undefined;
  throw error;
}
