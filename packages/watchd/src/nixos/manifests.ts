import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "@daruma/base";
import { type HostManifest, parseManifest } from "@daruma/config";
import { watchdErrors } from "../catalogue.ts";
import type { Site } from "./site.ts";

export interface Manifests {
  /**
   * The manifest of a generation.
   *
   * @throws GENERATION_E_CORRUPT if it has none, CONFIG_E_MANIFEST, CONFIG_E_MANIFEST_VERSION
   */
  of(path: string): Promise<HostManifest>;
}

/** Current, known-good, and some to spare. */
const remembered = 8;

/**
 * Reads manifests, each once: what is in the store never changes, and a manifest of a thousand agents is a megabyte that
 * would otherwise be read every few seconds.
 */
export function createManifests(site: Site): Manifests {
  const known = new Map<string, HostManifest>();
  return {
    async of(path) {
      const file = join(path, site.hostFile);
      const before = known.get(path);
      if (before !== undefined && (await isThere(file))) return before;
      const manifest = parseManifest(await readText(file), file);
      known.delete(path);
      known.set(path, manifest);
      for (const oldest of [...known.keys()].slice(0, -remembered)) known.delete(oldest);
      return manifest;
    },
  };
}

async function isThere(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw watchdErrors.make("GENERATION_E_CORRUPT", messageOf(cause), { where: file, cause });
  }
}
