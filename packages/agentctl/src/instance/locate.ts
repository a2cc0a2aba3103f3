import { readlink, realpath, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { baseErrors, systemCode } from "@daruma/base";
import {
  hostEgressdSocket,
  hostRuntimeDirectory,
  runtimeDirectories,
  type Sockets,
  socketsIn,
  stateDirectoryName,
  stateLayout,
} from "./layout.ts";

/** Where a running Daruma can be talked to. */
export interface Instance {
  /** The state directory of `agentctl dev`; `null` for a host's own. */
  readonly state: string | null;
  readonly sockets: Sockets;
}

export interface Whereabouts {
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/**
 * The instance that a command means: the state directory it was given, or else the nearest `.daruma` from here upwards,
 * or else the host's own.
 *
 * @throws SOCKET_E_UNREACHABLE if there is none
 */
export async function locateInstance(
  given: string | undefined,
  { cwd, environment }: Whereabouts,
): Promise<Instance> {
  if (given !== undefined) {
    const state = resolve(cwd, given);
    if (!(await isDirectory(state))) throw unreachable(`there is no state directory ${state}`, state);
    return devInstance(state, environment);
  }
  const nearest = await nearestState(cwd);
  if (nearest !== undefined) return devInstance(nearest, environment);
  if (await isDirectory(hostRuntimeDirectory))
    return { state: null, sockets: { ...socketsIn(hostRuntimeDirectory), egressd: hostEgressdSocket } };
  throw unreachable(
    `no Daruma runs here: there is no ${stateDirectoryName} in ${cwd} or above it, and no ${hostRuntimeDirectory}`,
    cwd,
  );
}

async function devInstance(state: string, environment: Whereabouts["environment"]): Promise<Instance> {
  return { state, sockets: socketsIn(await runtimeDirectoryOf(state, environment)) };
}

/** The runtime directory that the last `agentctl dev` used; before the first one, the one it would use. */
export async function runtimeDirectoryOf(
  state: string,
  environment: Whereabouts["environment"],
): Promise<string> {
  try {
    return await readlink(stateLayout(state).runtimeLink);
  } catch (error) {
    const code = systemCode(error);
    if (code !== "ENOENT" && code !== "EINVAL")
      throw unreachable(`cannot look into ${state}: ${code}`, state);
  }
  const roots = { environment, temporary: tmpdir(), uid: process.getuid?.() ?? 0 };
  return runtimeDirectories(await realpath(state), roots).own[1];
}

async function nearestState(cwd: string): Promise<string | undefined> {
  for (let directory = cwd; ; directory = dirname(directory)) {
    const candidate = join(directory, stateDirectoryName);
    if (await isDirectory(candidate)) return candidate;
    if (directory === dirname(directory)) return undefined;
  }
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}

export function unreachable(message: string, where: string): Error {
  return baseErrors.make("SOCKET_E_UNREACHABLE", message, {
    where,
    hint: "Start one with `agentctl dev`, or name its state directory with --state DIR.",
  });
}
