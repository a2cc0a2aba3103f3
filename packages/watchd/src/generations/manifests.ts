import { readFile, stat } from "node:fs/promises";
import { messageOf } from "@daruma/base";
import { type HostManifest, parseManifest } from "@daruma/config";
import { watchdErrors } from "../catalogue.ts";

export interface Manifests {
  /**
   * The manifest in a file.
   *
   * @throws GENERATION_E_CORRUPT if it cannot be read, CONFIG_E_MANIFEST, CONFIG_E_MANIFEST_VERSION
   */
  of(file: string): Promise<HostManifest>;
}

interface Known {
  readonly version: string;
  readonly manifest: HostManifest;
}

/** Current, known-good, and some to spare. */
const remembered = 8;

/**
 * Reads manifests, each once: what is in a store never changes, and a manifest of a thousand agents is a megabyte that
 * would otherwise be read every few seconds. One that has changed all the same, or is gone, is not taken from memory.
 */
export function createManifests(): Manifests {
  const known = new Map<string, Known>();
  return {
    async of(file) {
      const version = await versionOf(file);
      const before = known.get(file);
      if (before?.version === version) return before.manifest;
      const manifest = parseManifest(await readText(file), file);
      known.delete(file);
      known.set(file, { version, manifest });
      for (const oldest of [...known.keys()].slice(0, -remembered)) known.delete(oldest);
      return manifest;
    },
  };
}

const digests = new WeakMap<HostManifest, Readonly<Record<string, string>>>();

/** Agent -> digest. The same object for the same manifest, since it is asked for at every look. */
export function digestsOf(manifest: HostManifest): Readonly<Record<string, string>> {
  const known = digests.get(manifest);
  if (known !== undefined) return known;
  const found = Object.fromEntries(
    Object.entries(manifest.agents).map(([agent, { digest }]) => [agent, digest]),
  );
  digests.set(manifest, found);
  return found;
}

/** Another text has another one. */
async function versionOf(file: string): Promise<string> {
  try {
    const { ino, size, mtimeNs } = await stat(file, { bigint: true });
    return `${ino} ${size} ${mtimeNs}`;
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

function unreadable(file: string, cause: unknown): Error {
  return watchdErrors.make("GENERATION_E_CORRUPT", messageOf(cause), { where: file, cause });
}
