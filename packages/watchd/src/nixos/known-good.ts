import { mkdir, readdir, readlink, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { syncDirectory, systemCode } from "@daruma/base";
import { isStorePath, type Site } from "./site.ts";

/**
 * A link `known-good-ORDER-TIME` in the directory of GC roots. The garbage collector follows it wherever it finds it, so
 * not even `nix-collect-garbage -d` takes what it points at. failed.sh reads the same names.
 */
export interface Promotion {
  /** Order of promotion. Not the time: that may be set back. */
  readonly order: number;
  /** Unix time in milliseconds. */
  readonly promotedAt: number;
  readonly path: string;
}

const kept = 3;
const linkName = /^known-good-([0-9]{1,15})-([0-9]{1,15})$/;

/** Newest first, each generation once. */
export async function promotions(site: Site): Promise<Promotion[]> {
  const newestFirst = (await allPromotions(site)).reverse();
  return newestFirst.filter(({ path }, at) => newestFirst.findIndex((other) => other.path === path) === at);
}

/**
 * Adds a promotion, then removes those that it replaces: a crash in between leaves one too many, never one too few.
 * The same promotion once more changes nothing.
 */
export async function promote(site: Site, path: string, promotedAt: number): Promise<void> {
  await mkdir(site.gcroots, { recursive: true });
  const before = await allPromotions(site);
  if (!before.some((each) => each.path === path && each.promotedAt === promotedAt)) {
    const order = (before.at(-1)?.order ?? 0) + 1;
    await symlink(path, fileOf(site, { order, promotedAt, path }));
  }
  await syncDirectory(site.gcroots);
  const keep = new Set((await promotions(site)).slice(0, kept).map((each) => each.order));
  for (const promotion of await allPromotions(site)) {
    if (!keep.has(promotion.order)) await rm(fileOf(site, promotion), { force: true });
  }
}

/** Oldest first. Other links in the directory are not ours to judge. */
async function allPromotions(site: Site): Promise<Promotion[]> {
  const found: Promotion[] = [];
  for (const file of await filesIn(site.gcroots)) {
    const [, order, promotedAt] = linkName.exec(file) ?? [];
    if (order === undefined) continue;
    const path = await targetOf(join(site.gcroots, file));
    if (path !== null && isStorePath(site, path))
      found.push({ order: Number(order), promotedAt: Number(promotedAt), path });
  }
  return found.sort((a, b) => a.order - b.order);
}

async function targetOf(link: string): Promise<string | null> {
  try {
    return await readlink(link);
  } catch (error) {
    // No link of ours, whatever its name says.
    if (systemCode(error) === "EINVAL") return null;
    throw error;
  }
}

async function filesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return [];
    throw error;
  }
}

function fileOf(site: Site, { order, promotedAt }: Promotion): string {
  return join(site.gcroots, `known-good-${order}-${promotedAt}`);
}
