import { lstatSync, type Stats } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type DarumaError, makeDirectories, messageOf, systemCode } from "@daruma/base";
import { watchdErrors } from "../catalogue.ts";

/** Where the agent's socket is; on a host, below /run/daruma (modules/units/paths.nix). */
export function agentSocketPath(runtime: string, agent: string): string {
  return join(runtime, "agents", agent, "api.sock");
}

/**
 * - `users`: each agent is a user of its own, for whose group tmpfiles has made a directory that hands its group on
 * - `one`: agents run as the user that watchd runs as, and nobody else gets in (`agentctl dev`)
 */
export type Isolation = "users" | "one";

/** Of the socket file. Connecting takes the right to write. */
export function socketMode(isolation: Isolation): number {
  return isolation === "users" ? 0o660 : 0o600;
}

/**
 * Whoever can write into the directory could serve a socket of their own there, and whoever can enter it be taken for the
 * agent: a directory that is not as it has to be is not used.
 *
 * @throws WATCHD_E_AGENT_SOCKET
 */
export async function checkPlace(path: string, isolation: Isolation): Promise<void> {
  const directory = dirname(path);
  if (isolation === "one") await makeOwn(directory);
  const found = look(directory);
  if (found === null) throw unusable(path, `${directory} does not exist`);
  if (!found.isDirectory()) throw unusable(path, `${directory} is not a directory`);
  if (found.uid !== ownUid()) throw unusable(path, `${directory} belongs to user ${found.uid}`);
  const allowed = isolation === "users" ? 0o2750 : 0o700;
  const mode = found.mode & 0o7777;
  if ((mode & ~allowed) !== 0 || (isolation === "users" && (mode & 0o2000) === 0)) {
    throw unusable(path, `${directory} has mode ${octal(mode)} and not ${octal(allowed)}`);
  }
}

/**
 * The socket that was made must be the agent's: of the group that its directory hands on, and of the mode that was asked for.
 *
 * @throws WATCHD_E_AGENT_SOCKET
 */
export function checkSocket(path: string, isolation: Isolation): Stats {
  const socket = look(path);
  const directory = look(dirname(path));
  if (socket?.isSocket() !== true || directory === null) throw unusable(path, "it is not there");
  const mode = socket.mode & 0o7777;
  if (mode !== socketMode(isolation)) throw unusable(path, `it has mode ${octal(mode)}`);
  if (socket.uid !== ownUid()) throw unusable(path, `it belongs to user ${socket.uid}`);
  if (isolation === "users" && socket.gid !== directory.gid) {
    throw unusable(path, `it has group ${socket.gid} and not its directory's, ${directory.gid}`);
  }
  return socket;
}

/** Null where there is nothing. */
export function look(path: string): Stats | null {
  return lstatSync(path, { throwIfNoEntry: false }) ?? null;
}

async function makeOwn(directory: string): Promise<void> {
  try {
    await makeDirectories(dirname(directory), 0o700);
    await mkdir(directory, { mode: 0o700 });
  } catch (cause) {
    if (systemCode(cause) !== "EEXIST") throw unusable(directory, messageOf(cause), cause);
  }
}

function unusable(path: string, why: string, cause?: unknown): DarumaError {
  return watchdErrors.make("WATCHD_E_AGENT_SOCKET", `cannot serve ${path}: ${why}`, { where: path, cause });
}

function ownUid(): number {
  return process.getuid?.() ?? 0;
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, "0");
}
