import { readFile, realpath, stat } from "node:fs/promises";
import { messageOf, systemCode } from "@daruma/base";
import { type HostManifest, parseManifest } from "@daruma/config";
import { egressErrors } from "./catalogue.ts";

/** Changes whenever the file does, or another one is in its place. */
export async function stamp(file: string): Promise<string> {
  try {
    const path = await realpath(file);
    const { mtimeMs, size, ino } = await stat(path);
    return [path, mtimeMs, size, ino].join(" ");
  } catch (error) {
    return `none: ${systemCode(error)}`;
  }
}

/**
 * host.json of the current generation; null before there is one.
 *
 * @throws EGRESSD_E_MANIFEST
 */
export async function readManifest(file: string): Promise<HostManifest | null> {
  try {
    return parseManifest(await readFile(file, "utf8"), file);
  } catch (cause) {
    if (systemCode(cause) === "ENOENT") return null;
    const message = `the rules cannot be read: ${messageOf(cause)}`;
    throw egressErrors.make("EGRESSD_E_MANIFEST", message, { where: file, cause });
  }
}
