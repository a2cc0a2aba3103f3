import { createHash } from "node:crypto";
import { isAbsolute, join } from "node:path";

/** Name of the state directory that `agentctl dev` makes beside a fleet file. */
export const stateDirectoryName = ".daruma";

/** Where a host keeps its sockets (design.md 4). */
export const hostRuntimeDirectory = "/run/daruma";

/** egressd's own socket on a host: in a directory that it has for itself. */
export const hostEgressdSocket = "/run/daruma-egress/egressd.sock";

/** Files of a state directory of `agentctl dev`. */
export interface StateLayout {
  readonly root: string;
  readonly ledger: string;
  readonly generations: string;
  /** Link to the runtime directory, so that a shell with another XDG_RUNTIME_DIR finds the sockets as well. */
  readonly runtimeLink: string;
  readonly ledgerdLog: string;
  readonly watchdLog: string;
  readonly egressdLog: string;
}

export function stateLayout(root: string): StateLayout {
  return {
    root,
    ledger: join(root, "ledger"),
    generations: join(root, "generations"),
    runtimeLink: join(root, "run"),
    ledgerdLog: join(root, "ledgerd.log"),
    watchdLog: join(root, "watchd.log"),
    egressdLog: join(root, "egressd.log"),
  };
}

export interface Sockets {
  readonly directory: string;
  readonly watchd: string;
  /** The directory with one socket for each writer of the ledger. */
  readonly ledger: string;
  readonly watchdLedger: string;
  readonly operatorLedger: string;
  readonly egressdLedger: string;
  readonly egressd: string;
  /** Served by `agentctl dev` itself: one for each state directory. */
  readonly dev: string;
}

export function socketsIn(directory: string): Sockets {
  const ledger = join(directory, "ledger");
  return {
    directory,
    watchd: join(directory, "watchd.sock"),
    ledger,
    watchdLedger: join(ledger, "watchd.sock"),
    operatorLedger: join(ledger, "operator.sock"),
    egressdLedger: join(ledger, "egressd.sock"),
    egressd: join(directory, "egressd.sock"),
    dev: join(directory, "dev.sock"),
  };
}

export interface RuntimeRoots {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly temporary: string;
  readonly uid: number;
}

/**
 * The runtime directory of a state directory, as the list of directories to make: the first exists already, each of the
 * others must be ours alone. Short, since a socket's path has 107 bytes.
 *
 * @param realStateDirectory without symbolic links, so that every way to it leads to the same sockets
 */
export function runtimeDirectories(
  realStateDirectory: string,
  roots: RuntimeRoots,
): { readonly root: string; readonly own: readonly [string, string] } {
  const name = createHash("sha256").update(realStateDirectory).digest("hex").slice(0, 12);
  const given = roots.environment.XDG_RUNTIME_DIR;
  // The XDG specification: a relative path is to be ignored.
  const xdg = given !== undefined && isAbsolute(given);
  const root = xdg ? given : roots.temporary;
  const parent = join(root, xdg ? "daruma" : `daruma-${roots.uid}`);
  return { root, own: [parent, join(parent, name)] };
}
