import { randomBytes } from "node:crypto";
import { lstat, mkdir, readlink, realpath, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkSocketPath, makeDirectories, messageOf, systemCode } from "@daruma/base";
import { maxAgentNameLength } from "@daruma/config";
import { agentSocketPath } from "@daruma/watchd";
import { agentctlErrors } from "../catalogue.ts";
import { runtimeDirectories, type Sockets, socketsIn, stateLayout } from "../instance/layout.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Makes the state directory, and the directory for its sockets: ours alone, since whoever can write there can be taken
 * for ledgerd or watchd.
 *
 * @throws DEV_E_STATE_DIRECTORY, DEV_E_RUNTIME_DIRECTORY, SOCKET_E_PATH_TOO_LONG
 */
export async function prepareDirectories(state: string, environment: Environment): Promise<Sockets> {
  const real = await makeState(state);
  const uid = process.getuid?.() ?? 0;
  const { root, own } = runtimeDirectories(real, { environment, temporary: tmpdir(), uid });
  const sockets = socketsIn(own[1]);
  // An agent's is the longest of all: whatever agents are called, now and later, theirs have to fit.
  const agent = agentSocketPath(sockets.directory, "x".repeat(maxAgentNameLength));
  for (const path of [sockets.watchd, sockets.operatorLedger, agent]) checkSocketPath(path);
  try {
    await makeDirectories(root, 0o700);
    for (const directory of own) await makeOwn(directory, uid);
  } catch (cause) {
    if (systemCode(cause) === undefined || systemCode(cause)?.startsWith("DEV_E_") === true) throw cause;
    throw unusable(own[1], messageOf(cause), cause);
  }
  return sockets;
}

async function makeState(state: string): Promise<string> {
  try {
    await makeDirectories(state, 0o700);
    return await realpath(state);
  } catch (cause) {
    throw agentctlErrors.make(
      "DEV_E_STATE_DIRECTORY",
      `cannot make the state directory ${state}: ${messageOf(cause)}`,
      {
        where: state,
        cause,
      },
    );
  }
}

async function makeOwn(directory: string, uid: number): Promise<void> {
  await mkdir(directory, { mode: 0o700 }).catch((error: unknown) => {
    if (systemCode(error) !== "EEXIST") throw error;
  });
  const found = await lstat(directory);
  if (!found.isDirectory()) throw unusable(directory, "it is not a directory");
  if (found.uid !== uid) throw unusable(directory, `it belongs to user ${found.uid}, not to ${uid}`);
  if ((found.mode & 0o022) !== 0) throw unusable(directory, "others may write into it");
}

function unusable(directory: string, why: string, cause?: unknown): Error {
  return agentctlErrors.make("DEV_E_RUNTIME_DIRECTORY", `cannot use ${directory} for sockets: ${why}`, {
    where: directory,
    cause,
  });
}

/** The runtime directory that the state directory was last used with, or null. */
export async function linkedRuntimeDirectory(state: string): Promise<string | null> {
  return readlink(stateLayout(state).runtimeLink).catch(() => null);
}

/**
 * Leaves in the state directory where its sockets are, and keeps the directory out of the user's repository.
 *
 * @throws DEV_E_STATE_DIRECTORY
 */
export async function markState(state: string, sockets: Sockets): Promise<void> {
  const { runtimeLink } = stateLayout(state);
  const temporary = `${runtimeLink}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    await writeFile(join(state, ".gitignore"), "*\n");
    await symlink(sockets.directory, temporary);
    await rename(temporary, runtimeLink);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw agentctlErrors.make("DEV_E_STATE_DIRECTORY", `cannot write into ${state}: ${messageOf(cause)}`, {
      where: state,
      cause,
    });
  }
}

/** After everything has stopped: nothing of it may stay, since credentials were in it. */
export async function removeRuntimeDirectory(state: string, sockets: Sockets): Promise<void> {
  await rm(sockets.directory, { recursive: true, force: true });
  await rm(stateLayout(state).runtimeLink, { force: true });
}
