import { mkdir, readdir, readlink, rename, rm, symlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { syncDirectory, systemCode } from "@daruma/base";
import { isAgentName } from "../processes/markers.ts";
import { isStoreName, type Layout, storeNameOf } from "./layout.ts";

/*
 * Links in `gcroots/stand-ins`, one for each agent that runs with the settings of an earlier generation: neither its number nor its
 * promotion need be kept for as long as that.
 */

/** Names in the store. */
export async function readWorn(layout: Layout): Promise<readonly string[]> {
  const directory = directoryOf(layout);
  const names: string[] = [];
  for (const file of await filesIn(directory)) {
    if (!isAgentName(file)) continue;
    const name = basename(await readlink(join(directory, file)).catch(noneIfMissing));
    if (isStoreName(name)) names.push(name);
  }
  return names;
}

/**
 * Durable. Agents that are not named have no link any more.
 *
 * @param worn agent -> store path
 */
export async function keepWorn(layout: Layout, worn: Readonly<Record<string, string>>): Promise<void> {
  const directory = directoryOf(layout);
  const before = await filesIn(directory);
  if (before.length === 0 && Object.keys(worn).length === 0) return;
  await mkdir(directory, { recursive: true });
  for (const [agent, path] of Object.entries(worn)) {
    const name = storeNameOf(layout, path);
    if (name === null || !isAgentName(agent)) continue;
    const fresh = join(directory, `.${agent}.new`);
    await rm(fresh, { force: true });
    await symlink(`../../store/${name}`, fresh);
    await rename(fresh, join(directory, agent));
  }
  for (const file of before) if (!Object.hasOwn(worn, file)) await rm(join(directory, file), { force: true });
  await syncDirectory(directory);
}

function directoryOf({ root }: Layout): string {
  return join(root, "gcroots", "stand-ins");
}

function filesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch((error) => {
    noneIfMissing(error);
    return [];
  });
}

function noneIfMissing(error: unknown): "" {
  if (systemCode(error) === "ENOENT") return "";
  throw error;
}
