import { readdir, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { syncDirectory } from "@daruma/base";
import { isStoreName, type Layout } from "./layout.ts";

/** One link in `gcroots/known-good`. */
export interface Promotion {
  /** Order of promotion. Not the time: that may be set back. */
  readonly order: number;
  /** Unix time in milliseconds. */
  readonly promotedAt: number;
  /** Name in the store. */
  readonly name: string;
}

const kept = 3;

/** Newest first, each generation once. */
export async function readPromotions(layout: Layout): Promise<Promotion[]> {
  const newestFirst = (await allPromotions(layout)).reverse();
  return newestFirst.filter(({ name }, at) => newestFirst.findIndex((other) => other.name === name) === at);
}

/**
 * Adds a promotion, then removes those that it replaces: a crash in between leaves one too many, never one too few.
 * The same promotion once more changes nothing.
 */
export async function promote(layout: Layout, name: string, promotedAt: number): Promise<void> {
  const before = await allPromotions(layout);
  if (!before.some((each) => each.name === name && each.promotedAt === promotedAt)) {
    const order = (before.at(-1)?.order ?? 0) + 1;
    await symlink(`../../store/${name}`, join(layout.knownGood, fileOf({ order, promotedAt, name })));
  }
  await syncDirectory(layout.knownGood);
  const keep = new Set((await readPromotions(layout)).slice(0, kept).map(fileOf));
  for (const promotion of await allPromotions(layout)) {
    if (!keep.has(fileOf(promotion))) await rm(join(layout.knownGood, fileOf(promotion)), { force: true });
  }
}

/** Oldest first. The file's name says it all; the link is what protects the store path. */
async function allPromotions(layout: Layout): Promise<Promotion[]> {
  const promotions: Promotion[] = [];
  for (const file of await readdir(layout.knownGood)) {
    const [, order, promotedAt, name = ""] = /^([0-9]{1,15})-([0-9]{1,15})-(.+)$/.exec(file) ?? [];
    if (isStoreName(name)) promotions.push({ order: Number(order), promotedAt: Number(promotedAt), name });
  }
  return promotions.sort((a, b) => a.order - b.order);
}

function fileOf({ order, promotedAt, name }: Promotion): string {
  return `${order}-${promotedAt}-${name}`;
}
