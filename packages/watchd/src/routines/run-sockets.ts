import { existsSync, readdirSync, rmSync } from "node:fs";
import { chmod, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Handler, serveUnix, systemCode, type UnixServer } from "@daruma/base";
import { agentPace, type Bucket, fullBucket, take } from "../agent-api/pace.ts";
import { checkPlace, checkSocket, type Isolation, socketMode } from "../agent-api/place.ts";
import { refusalOf } from "../agent-api/routes.ts";
import { watchdErrors } from "../catalogue.ts";
import type { RoutineEngine } from "./engine.ts";
import { parseCounts } from "./results.ts";
import { runOf } from "./run-of.ts";
import type { RunName } from "./services.ts";

export interface RunSocketsOptions {
  /** Where what must not outlive the boot is. */
  readonly runtimeDir: string;
  readonly isolation: Isolation;
  readonly engine: () => RoutineEngine;
  readonly log: (message: string) => void;
}

export interface RunSockets {
  /** Serves the run's own socket, if it does not yet; its path. @throws SOCKET_E_*, Error of the file system */
  open(run: RunName): Promise<string>;
  /** Ends the sockets of all runs but those that are `active`, whoever has made them. */
  keep(active: ReadonlySet<string>): Promise<void>;
  close(): Promise<void>;
}

/** For programs that nobody has vouched for. */
const limits = { bodyBytes: 64 * 1024, connections: 16, requestMs: 10_000 } as const;

/** One HTTP server for each run: which one a request comes through says which run it is. */
export function createRunSockets({ runtimeDir, isolation, engine, log }: RunSocketsOptions): RunSockets {
  const places = placesOf(runtimeDir, isolation);
  const served = new Map<string, { readonly name: RunName; readonly server: Promise<UnixServer> }>();

  const serve = async (name: RunName) => {
    const path = places.pathOf(name);
    await places.prepare(path);
    const server = await serveUnix({
      path,
      mode: socketMode(isolation),
      routes: runRoutes(name, engine()),
      limits,
      refusalOf,
      onBug: (error) => log(`a request of ${name.run} failed inside: ${String(error)}`),
    });
    try {
      checkSocket(path, isolation);
      return server;
    } catch (error) {
      await server.close();
      throw error;
    }
  };
  const shut = async (run: string) => {
    const entry = served.get(run);
    served.delete(run);
    const server = await entry?.server.catch(() => null);
    await server?.close();
  };
  return {
    async open(name) {
      const { server } = served.get(name.run) ?? { server: serve(name) };
      served.set(name.run, { name, server });
      try {
        return (await server).path;
      } catch (error) {
        served.delete(name.run);
        throw error;
      }
    },
    async keep(active) {
      await Promise.all([...served.keys()].filter((run) => !active.has(run)).map(shut));
      places.keep(active);
    },
    async close() {
      await Promise.all([...served.keys()].map(shut));
    },
  };
}

interface Places {
  pathOf(name: RunName): string;
  /** Makes sure that the directory of a socket is there, and as it has to be. @throws WATCHD_E_AGENT_SOCKET */
  prepare(path: string): Promise<void>;
  /** Removes what is there for other runs. */
  keep(active: ReadonlySet<string>): void;
}

/**
 * Under `agentctl dev` all sockets are in one directory. Where each routine is a user of its own, each run has a directory, of
 * the group that the one above it hands on (modules/units/routines.nix): a run sees it in its sandbox, and it must stay the
 * same one for as long as the run goes on, whatever becomes of watchd.
 */
function placesOf(runtimeDir: string, isolation: Isolation): Places {
  if (isolation === "one") {
    const directory = join(runtimeDir, "runs");
    const keep = (active: ReadonlySet<string>) => {
      for (const name of namesIn(directory)) {
        if (!active.has(name.replace(/\.sock$/, ""))) rmSync(join(directory, name), { force: true });
      }
    };
    return {
      pathOf: ({ run }) => join(directory, `${run}.sock`),
      prepare: (path) => checkPlace(path, isolation),
      keep,
    };
  }
  const root = join(runtimeDir, "routines");
  return {
    pathOf: ({ routine, run }) => join(root, routine, run, "api.sock"),
    prepare: async (path) => {
      const directory = dirname(path);
      if (!existsSync(directory)) {
        await mkdir(directory, { mode: 0o700 });
        await chmod(directory, 0o2750);
      }
      await checkPlace(path, isolation);
    },
    keep: (active) => {
      for (const routine of namesIn(root)) {
        for (const run of namesIn(join(root, routine))) {
          if (!active.has(run)) rmSync(join(root, routine, run), { recursive: true, force: true });
        }
      }
    },
  };
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return [];
    throw error;
  }
}

/** What a run may ask through its own socket. Who asks is known from the socket alone. */
function runRoutes(name: RunName, engine: RoutineEngine): Readonly<Record<string, Handler>> {
  let bucket: Bucket = fullBucket(agentPace, performance.now());
  return {
    "GET /v1/self": async () => {
      const run = runOf(engine.state, name);
      return { schemaVersion: 1, name: name.routine, run: name.run, attempt: run?.attempt ?? null };
    },
    "POST /v1/result": async ({ body }) => {
      const counts = parseCounts(body);
      if (typeof counts === "string") throw watchdErrors.make("AGENT_E_BAD_RESULT", counts);
      const { waitMs, ...paid } = take(agentPace, bucket, 1, performance.now());
      bucket = paid.bucket;
      if (waitMs > 0) throw watchdErrors.make("AGENT_E_TOO_FAST", "a run tells its result far too often");
      const { state } = await engine.ask({ type: "result", ...name, counts });
      const result = runOf(state, name)?.result ?? null;
      if (result === null) throw watchdErrors.make("AGENT_E_NO_RUN", `${name.run} is over`);
      return { schemaVersion: 1, result };
    },
  };
}
