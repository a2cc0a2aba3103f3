import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import {
  type Handler,
  messageOf,
  type ServeLimits,
  serveUnix,
  systemCode,
  type UnixServer,
} from "@daruma/base";
import { isAgentName } from "../processes/markers.ts";
import { agentSocketPath, checkPlace, checkSocket, type Isolation, look, socketMode } from "./place.ts";
import { refusalOf } from "./routes.ts";

export interface AgentSocketsOptions {
  readonly runtime: string;
  readonly isolation: Isolation;
  readonly routesOf: (agent: string) => Readonly<Record<string, Handler>>;
  /** The agent has asked something, whatever it was. */
  readonly onHeard: (agent: string) => void;
  readonly log: (message: string) => void;
}

export interface AgentSockets {
  /** Serves a socket for each of these agents and no other. What cannot be served is logged; never rejects. */
  serve(agents: readonly string[]): Promise<void>;
  /** Looks whether the sockets are still there, and tries once more what could not be served. Never rejects. */
  check(): Promise<void>;
  close(): Promise<void>;
}

/** For programs that nobody has vouched for. */
const limits: ServeLimits = { bodyBytes: 256 * 1024, connections: 32, requestMs: 10_000 };

interface Served {
  readonly server: UnixServer;
  readonly path: string;
  /** Of the socket file: another one in its place is not ours. */
  readonly inode: number;
}

/** One HTTP server for each agent: which one a request comes through says which agent it is. */
export function createAgentSockets(options: AgentSocketsOptions): AgentSockets {
  const { runtime, isolation, log } = options;
  const served = new Map<string, Served>();
  /** Agent -> why it has no socket, as logged. */
  const failing = new Map<string, string>();
  let wanted: ReadonlySet<string> | null = null;
  let working: Promise<void> = Promise.resolve();

  const open = async (agent: string) => {
    const path = agentSocketPath(runtime, agent);
    let server: UnixServer | null = null;
    try {
      await checkPlace(path, isolation);
      server = await serveUnix({
        path,
        mode: socketMode(isolation),
        routes: options.routesOf(agent),
        limits,
        refusalOf,
        onRequest: () => options.onHeard(agent),
        onBug: (error) => log(`a request of ${agent} failed inside: ${stackOf(error)}`),
      });
      served.set(agent, { server, path, inode: checkSocket(path, isolation).ino });
      if (failing.delete(agent)) log(`${agent} has its socket now`);
    } catch (error) {
      await server?.close();
      const why = messageOf(error);
      if (failing.get(agent) !== why) log(`${agent} has no socket: ${why}`);
      failing.set(agent, why);
    }
  };

  const shut = async (agent: string) => {
    const entry = served.get(agent);
    served.delete(agent);
    failing.delete(agent);
    await entry?.server.close();
  };

  /** One after the other: a socket must not be opened and shut at once. */
  const inTurn = (task: () => Promise<void>): Promise<void> => {
    working = working.then(task).catch((error) => log(`the agents' sockets: ${messageOf(error)}`));
    return working;
  };

  const isThere = ({ path, inode }: Served) => look(path)?.ino === inode;

  return {
    serve(agents) {
      const first = wanted === null;
      const now = new Set(agents);
      const added = agents.filter((agent) => wanted?.has(agent) !== true);
      const removed = [...(wanted ?? [])].filter((agent) => !now.has(agent));
      wanted = now;
      if (added.length + removed.length === 0 && !first) return Promise.resolve();
      return inTurn(async () => {
        if (first) removeOthers(runtime, now, log);
        await Promise.all(removed.map(shut));
        await Promise.all(added.map(open));
      });
    },
    check: () =>
      inTurn(async () => {
        const lost = [...served].filter(([, entry]) => !isThere(entry)).map(([agent]) => agent);
        for (const agent of lost) {
          log(`the socket of ${agent} was gone`);
          await shut(agent);
        }
        const without = [...(wanted ?? [])].filter((agent) => !served.has(agent));
        await Promise.all(without.map(open));
      }),
    close: () =>
      inTurn(async () => {
        wanted = new Set();
        await Promise.all([...served.keys()].map(shut));
      }),
  };
}

/** What a watchd that was killed has left of agents that are no more. */
function removeOthers(runtime: string, agents: ReadonlySet<string>, log: (message: string) => void): void {
  try {
    for (const name of readdirSync(join(runtime, "agents"))) {
      if (isAgentName(name) && !agents.has(name)) rmSync(agentSocketPath(runtime, name), { force: true });
    }
  } catch (error) {
    if (systemCode(error) !== "ENOENT") log(`sockets left over cannot be removed: ${messageOf(error)}`);
  }
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
