import { lstat, readdir, readlink, realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { systemCode } from "@daruma/base";
import { isStorePath, type Site } from "./site.ts";

/** One numbered link of the system profile. */
export interface SystemLink {
  readonly number: number;
  readonly path: string;
  /** Unix time in milliseconds. */
  readonly createdAt: number;
}

/**
 * By number, oldest first. Read from the links themselves: `nix-env --list-generations` says no more and locks the profile
 * (NixOS/nix#5144).
 */
export async function systemLinks(site: Site): Promise<SystemLink[]> {
  const directory = dirname(site.profile);
  const prefix = `${basename(site.profile)}-`;
  const links: SystemLink[] = [];
  for (const file of await readdir(directory).catch(absentAs<string[]>([]))) {
    const number = numberOf(file, prefix);
    const link = number === null ? null : await readLink(site, join(directory, file));
    if (number !== null && link !== null) links.push({ number, ...link });
  }
  return links.sort((a, b) => a.number - b.number);
}

/**
 * The newest number of a store path, 0 where it has none (`nixos-rebuild test`, or deleted since). Not the one the profile
 * points at: that may be another system, and would change under a switch in which nothing else has changed yet.
 */
export async function numberOfPath(site: Site, path: string): Promise<number> {
  return (await systemLinks(site)).findLast((link) => link.path === path)?.number ?? 0;
}

/** Store path of the system that runs; null where there is none. */
export async function currentPath(site: Site): Promise<string | null> {
  const path = await realpath(site.currentSystem).catch(absentAs(null));
  return path !== null && isStorePath(site, path) ? path : null;
}

/** What boots next, and what runs. */
export async function systemsOf(
  site: Pick<Site, "profile" | "currentSystem" | "store">,
): Promise<{ readonly profile: string | null; readonly current: string | null }> {
  const profile = await realpath(site.profile).catch(absentAs(null));
  const current = await realpath(site.currentSystem).catch(absentAs(null));
  return { profile, current };
}

function numberOf(file: string, prefix: string): number | null {
  if (!file.startsWith(prefix)) return null;
  const digits = /^([1-9][0-9]{0,14})-link$/.exec(file.slice(prefix.length))?.[1];
  return digits === undefined ? null : Number(digits);
}

async function readLink(site: Site, file: string): Promise<{ path: string; createdAt: number } | null> {
  try {
    const path = await readlink(file);
    if (!isStorePath(site, path)) return null;
    return { path, createdAt: Math.round((await lstat(file)).mtimeMs) };
  } catch (error) {
    // Deleted since the directory was read, or no link (EINVAL).
    if (systemCode(error) === "ENOENT" || systemCode(error) === "EINVAL") return null;
    throw error;
  }
}

function absentAs<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (systemCode(error) === "ENOENT") return value;
    throw error;
  };
}
