import { rmSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type Handler, serveUnix, type UnixServer } from "@daruma/base";
import { agentPace, type Bucket, fullBucket, take } from "../agent-api/pace.ts";
import { refusalOf } from "../agent-api/routes.ts";
import { watchdErrors } from "../catalogue.ts";
import type { RoutineEngine } from "./engine.ts";
import { parseCounts } from "./results.ts";
import { runOf } from "./run-of.ts";
import type { RunName } from "./services.ts";

export interface RunSocketsOptions {
  /** Where what must not outlive the boot is. */
  readonly runtimeDir: string;
  readonly engine: () => RoutineEngine;
  readonly log: (message: string) => void;
}

export interface RunSockets {
  /** Serves the run's own socket, if it does not yet; its path. @throws SOCKET_E_*, Error of the file system */
  open(run: RunName): Promise<string>;
  /** Ends the sockets of all runs but those that are `active`. */
  keep(active: ReadonlySet<string>): Promise<void>;
  close(): Promise<void>;
}

/** For programs that nobody has vouched for. */
const limits = { bodyBytes: 64 * 1024, connections: 16, requestMs: 10_000 } as const;

/** One HTTP server for each run: which one a request comes through says which run it is. */
export function createRunSockets({ runtimeDir, engine, log }: RunSocketsOptions): RunSockets {
  const directory = join(runtimeDir, "runs");
  const served = new Map<string, Promise<UnixServer>>();
  // What a watchd that was killed has left.
  rmSync(directory, { recursive: true, force: true });

  const serve = async (name: RunName) => {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    return serveUnix({
      path: join(directory, `${name.run}.sock`),
      routes: runRoutes(name, engine()),
      limits,
      refusalOf,
      onBug: (error) => log(`a request of ${name.run} failed inside: ${String(error)}`),
    });
  };
  const shut = async (run: string) => {
    const server = await served.get(run)?.catch(() => null);
    served.delete(run);
    await server?.close();
    rmSync(join(directory, `${run}.sock`), { force: true });
  };
  return {
    async open(name) {
      const known = served.get(name.run) ?? serve(name);
      served.set(name.run, known);
      try {
        return (await known).path;
      } catch (error) {
        served.delete(name.run);
        throw error;
      }
    },
    async keep(active) {
      await Promise.all([...served.keys()].filter((run) => !active.has(run)).map(shut));
    },
    async close() {
      await Promise.all([...served.keys()].map(shut));
    },
  };
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
