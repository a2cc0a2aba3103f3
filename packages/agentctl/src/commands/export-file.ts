import { randomBytes } from "node:crypto";
import { open, realpath, rename, rm, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { isDarumaError, messageOf, syncDirectory, systemCode } from "@daruma/base";
import { agentctlErrors } from "../catalogue.ts";

/**
 * Writes blocks of text to a file that appears only once it is whole and on the disk. Returns its path.
 *
 * @throws CLI_E_OUTPUT, and what `blocks` throws; then the file is as it was before.
 */
export async function writeExport(cwd: string, out: string, blocks: AsyncIterable<string>): Promise<string> {
  const file = await realTarget(resolve(cwd, out));
  const temporary = `${file}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    const handle = await open(temporary, "wx", 0o644);
    try {
      for await (const block of blocks) await handle.writeFile(block);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
    await syncDirectory(dirname(file));
    return file;
  } catch (error) {
    await rm(temporary, { force: true });
    if (isDarumaError(error) || systemCode(error) === undefined) throw error;
    throw agentctlErrors.make("CLI_E_OUTPUT", `cannot write ${file}: ${messageOf(error)}`, {
      where: file,
      cause: error,
    });
  }
}

/** Follows links, and refuses what a rename must not replace: a device, a pipe, a directory. */
async function realTarget(path: string): Promise<string> {
  try {
    if ((await stat(path)).isFile()) return await realpath(path);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return path;
    throw agentctlErrors.make("CLI_E_OUTPUT", `cannot write ${path}: ${messageOf(error)}`, { where: path });
  }
  throw agentctlErrors.make("CLI_E_OUTPUT", `${path} exists and is not a regular file`, {
    where: path,
    hint: "Without --out the export goes to stdout.",
  });
}
