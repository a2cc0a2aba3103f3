/**
 * The agent: loads the cities of the world into SQLite and answers `GET /health` on 127.0.0.1:$PORT.
 *
 * Exit codes: 0 after SIGTERM or SIGINT; 1 for a bug, a transform that throws among them; 78 (EX_CONFIG,
 * sysexits.h) for an environment that it cannot work in, such as a port in use.
 */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Transform } from "./contract.ts";
import { healthAnswer, newProgress, type Progress } from "./health.ts";
import { readSettings, type Settings, SettingsError } from "./settings.ts";

function log(message: string): void {
  console.log(`${new Date().toISOString()} ${message}`);
}

function createHealthServer(progress: Progress): Server {
  return createServer((request, response) => {
    const known = request.method === "GET" && request.url === "/health";
    const { status, body } = known ? healthAnswer(progress) : { status: 404, body: { status: "not found" } };
    response.writeHead(status, { "content-type": "application/json" }).end(`${JSON.stringify(body)}\n`);
  });
}

async function importTransform(path: string): Promise<Transform> {
  const module: { readonly transform?: unknown } = await import(pathToFileURL(resolve(path)).href);
  if (typeof module.transform !== "function")
    throw new SettingsError(`${path} exports no function "transform"`);
  return module.transform as Transform;
}

async function serve(settings: Settings, signal: AbortSignal): Promise<void> {
  const progress = newProgress();
  const server = createHealthServer(progress);
  server.listen(settings.port, "127.0.0.1");
  await once(server, "listening").catch((error: Error) => {
    throw new SettingsError(`PORT cannot be used: ${error.message}`, { cause: error });
  });
  const address = server.address();
  log(`listening on 127.0.0.1:${typeof address === "object" ? address?.port : address}`);
  // Only now: the rest of the program, SQLite above all, takes as long to load as everything before.
  const [{ runJob }, transform] = await Promise.all([
    import("./pipeline.ts"),
    importTransform(settings.transform),
  ]);
  await runJob({ settings, transform, progress, log, signal });
  if (!signal.aborted) await once(signal, "abort");
  server.close();
  server.closeAllConnections();
}

const stop = new AbortController();
process.once("SIGTERM", () => stop.abort());
process.once("SIGINT", () => stop.abort());
try {
  await serve(readSettings(process.env), stop.signal);
  process.exit(0);
} catch (error) {
  if (error instanceof SettingsError) {
    console.error(`bad environment: ${error.message}`);
    process.exit(78);
  }
  console.error(error);
  process.exit(1);
}
