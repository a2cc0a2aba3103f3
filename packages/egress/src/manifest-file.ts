import { createReadStream } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { messageOf, systemCode } from "@daruma/base";
import { type EgressManifest, type KeptManifest, parseManifestPieces } from "@daruma/config";
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

/** Of each agent and routine only its rules. */
export type RulesManifest = KeptManifest<EgressManifest | null>;

/**
 * host.json of the current generation; null before there is one. It is as long as the host is large, and all but the rules is of no
 * use here: it is never in memory as a whole.
 *
 * @throws EGRESSD_E_MANIFEST
 */
export async function readManifest(file: string): Promise<RulesManifest | null> {
  try {
    return await parseManifestPieces(createReadStream(file, "utf8"), ({ egress }) => egress, file);
  } catch (cause) {
    if (systemCode(cause) === "ENOENT") return null;
    const message = `the rules cannot be read: ${messageOf(cause)}`;
    throw egressErrors.make("EGRESSD_E_MANIFEST", message, { where: file, cause });
  }
}
