import { randomBytes } from "node:crypto";
import { lstat, readdir, readlink, rename, rm, symlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { syncDirectory, systemCode } from "@daruma/base";
import { watchdErrors } from "../catalogue.ts";
import { isStoreName, type Layout } from "./layout.ts";

/** One numbered link of the profile. */
export interface ProfileLink {
  readonly number: number;
  /** Name in the store. */
  readonly name: string;
  /** Unix time in milliseconds. */
  readonly createdAt: number;
}

const currentLink = "system";
const numberedLink = /^system-([1-9][0-9]{0,14})-link$/;
const temporaryLink = /^\.system-[0-9a-f]+\.tmp$/;

/** By number, oldest first. Names that are no link of ours are passed over. */
export async function profileLinks(layout: Layout): Promise<ProfileLink[]> {
  const links: ProfileLink[] = [];
  for (const file of await readdir(layout.profiles)) {
    const number = numberOf(file);
    if (number === null) continue;
    const link = await readProfileLink(layout, number);
    if (link !== null) links.push(link);
  }
  return links.sort((a, b) => a.number - b.number);
}

/** What `system` points at; `null` before the first deploy. */
export async function currentProfileLink(layout: Layout): Promise<ProfileLink | null> {
  for (;;) {
    const target = await readCurrent(layout);
    if (target === null) return null;
    const number = numberOf(target);
    const link = number === null ? null : await readProfileLink(layout, number);
    if (link !== null) return link;
    // A switch and a garbage collection may have come in between.
    if ((await readCurrent(layout)) === target) throw broken(layout, target);
  }
}

/** Makes the next number point at `name`: from then on it is kept, but not yet current. */
export async function addProfileLink(layout: Layout, name: string): Promise<number> {
  const links = await profileLinks(layout);
  let number = (links.at(-1)?.number ?? 0) + 1;
  for (;;) {
    try {
      await symlink(`../store/${name}`, linkPath(layout, number));
      await syncDirectory(layout.profiles);
      return number;
    } catch (error) {
      // Another process took the number.
      if (systemCode(error) !== "EEXIST") throw error;
      number += 1;
    }
  }
}

/** Makes a number current: before it the old one is, after it the new one, and at no time none. */
export async function activateProfileLink(layout: Layout, number: number): Promise<void> {
  const target = basename(linkPath(layout, number));
  if ((await readCurrent(layout)) !== target) {
    const temporary = join(layout.profiles, `.system-${randomBytes(6).toString("hex")}.tmp`);
    await symlink(target, temporary);
    await rename(temporary, join(layout.profiles, currentLink));
  }
  // Also where it is current already: whoever made it so may have died before this.
  await syncDirectory(layout.profiles);
}

export async function removeProfileLink(layout: Layout, number: number): Promise<void> {
  await rm(linkPath(layout, number), { force: true });
}

/** What a crash left between making a link and renaming it; younger ones may be about to be renamed. */
export async function removeTemporaryLinks(layout: Layout, olderThan: number): Promise<void> {
  for (const file of await readdir(layout.profiles)) {
    const path = join(layout.profiles, file);
    if (!temporaryLink.test(file) || (await lstat(path)).mtimeMs > olderThan) continue;
    await rm(path, { force: true });
  }
}

/** Whether a change of this file in `profiles` may be a switch. */
export function isCurrentLink(file: string | null): boolean {
  return file === null || file === currentLink;
}

async function readProfileLink(layout: Layout, number: number): Promise<ProfileLink | null> {
  const path = linkPath(layout, number);
  try {
    const name = basename(await readlink(path));
    if (!isStoreName(name)) return null;
    return { number, name, createdAt: Math.round((await lstat(path)).mtimeMs) };
  } catch (error) {
    if (isAbsent(error)) return null;
    throw error;
  }
}

async function readCurrent(layout: Layout): Promise<string | null> {
  try {
    return await readlink(join(layout.profiles, currentLink));
  } catch (error) {
    if (systemCode(error) === "ENOENT") return null;
    if (systemCode(error) === "EINVAL") throw broken(layout, "something that is no link");
    throw error;
  }
}

function linkPath(layout: Layout, number: number): string {
  return join(layout.profiles, `system-${number}-link`);
}

function numberOf(file: string): number | null {
  const digits = numberedLink.exec(file)?.[1];
  return digits === undefined ? null : Number(digits);
}

function isAbsent(error: unknown): boolean {
  // EINVAL: not a symbolic link.
  return systemCode(error) === "ENOENT" || systemCode(error) === "EINVAL";
}

function broken(layout: Layout, target: string): Error {
  const where = join(layout.profiles, currentLink);
  return watchdErrors.make("GENERATION_E_CORRUPT", `${where} points at ${target}, which is no generation`, {
    where,
  });
}
