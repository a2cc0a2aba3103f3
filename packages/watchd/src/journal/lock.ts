import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { systemCode } from "@daruma/base";
import { watchdErrors } from "../catalogue.ts";

export interface Lock {
  release(): Promise<void>;
}

/**
 * Makes this process the only owner of a directory for as long as it lives. The lock is an abstract Unix socket
 * (unix(7)) named after the directory's device and inode: the kernel takes it back when the process ends, however it
 * ends; there is no file to go stale, and no path or link to the directory gets around it. Agents do not inherit it.
 * It does not reach across network namespaces: two containers that share the directory are not kept apart.
 *
 * @throws WATCHD_E_ALREADY_RUNNING
 */
export async function lockDirectory(dir: string): Promise<Lock> {
  const { dev, ino } = await stat(dir, { bigint: true });
  const name = createHash("sha256").update(`${dev}:${ino}`).digest("hex").slice(0, 32);
  const server = createServer((socket) => socket.destroy());
  try {
    await listen(server, `\0daruma-watchd-${name}`);
  } catch (error) {
    if (systemCode(error) !== "EADDRINUSE") throw error;
    throw watchdErrors.make("WATCHD_E_ALREADY_RUNNING", `another process is using ${dir}`, { where: dir });
  }
  server.unref();
  return { release: () => new Promise((resolve) => server.close(() => resolve())) };
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
}
