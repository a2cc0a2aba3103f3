import { createServer, type Server, type ServerResponse } from "node:http";
import { messageOf, serveUnix, streamed, type UnixServer } from "@daruma/base";
import { metricsErrors } from "./catalogue.ts";
import { type CollectOptions, collect } from "./collect.ts";
import { contentType, expose } from "./exposition.ts";

export interface ExporterOptions extends CollectOptions {
  /** Unix socket to serve, open to the group of its directory; null for none. */
  readonly socket: string | null;
  /** Null for none. */
  readonly listen: { readonly address: string; readonly port: number } | null;
  /** What was collected is good for this long, however many ask. Default 1,000. */
  readonly freshMs?: number;
  readonly onBug: (error: unknown) => void;
}

export interface Exporter {
  /** Where it listens; with port 0, the one that it got. */
  readonly port: number | null;
  close(): Promise<void>;
}

const limits = { bodyBytes: 0, connections: 16, requestMs: 5_000 };
const headBytes = 8 * 1024;

/**
 * Serves `GET /metrics`. Whoever asks while others do, or right after them, gets the same answer: daemons are asked no more often
 * than once a second, by however many.
 *
 * @throws METRICS_E_LISTEN, SOCKET_E_PATH_TOO_LONG, SOCKET_E_IN_USE, SOCKET_E_UNUSABLE
 */
export async function startExporter(options: ExporterOptions): Promise<Exporter> {
  const text = shared(async () => await expose(await collect(options)), options.freshMs ?? 1_000);
  const unix = await serveSocket(options, text);
  try {
    const tcp = options.listen === null ? null : await serveTcp(options, text);
    const address = tcp?.address() ?? null;
    return {
      port: typeof address === "object" ? (address?.port ?? null) : null,
      close: async () => {
        tcp?.closeAllConnections();
        await Promise.all([unix?.close(), tcp === null ? null : new Promise((done) => tcp.close(done))]);
      },
    };
  } catch (error) {
    await unix?.close();
    throw error;
  }
}

/** One at a time, and for as long as it is fresh the same for all. */
function shared(make: () => Promise<string>, freshMs: number): () => Promise<string> {
  let last: Promise<string> | null = null;
  let madeAt = Number.NEGATIVE_INFINITY;
  let isMaking = false;
  return () => {
    if (last !== null && (isMaking || performance.now() - madeAt < freshMs)) return last;
    isMaking = true;
    last = make().finally(() => {
      isMaking = false;
      madeAt = performance.now();
    });
    return last;
  };
}

async function serveSocket(
  { socket, onBug }: ExporterOptions,
  text: () => Promise<string>,
): Promise<UnixServer | null> {
  if (socket === null) return null;
  return await serveUnix({
    path: socket,
    mode: 0o660,
    limits,
    routes: {
      "GET /metrics": async ({ response }) => {
        send(response, 200, await text());
        return streamed;
      },
    },
    onBug,
  });
}

async function serveTcp({ listen, onBug }: ExporterOptions, text: () => Promise<string>): Promise<Server> {
  const { address, port } = listen ?? { address: "", port: 0 };
  const times = { headersTimeout: limits.requestMs, requestTimeout: limits.requestMs };
  const server = createServer({ ...times, maxHeaderSize: headBytes }, (request, response) => {
    const path = URL.parse(request.url ?? "/", "http://localhost")?.pathname;
    if (path !== "/metrics") return send(response, 404, "What there is, is at /metrics\n");
    if (request.method !== "GET" && request.method !== "HEAD") return send(response, 405, "GET /metrics\n");
    text().then(
      (body) => send(response, 200, body),
      (error) => {
        onBug(error);
        send(response, 500, "metricsd failed inside; its log has the details\n");
      },
    );
  });
  server.maxConnections = limits.connections;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) => {
      const where = `${address}:${port}`;
      reject(metricsErrors.make("METRICS_E_LISTEN", `${where}: ${messageOf(cause)}`, { where, cause }));
    });
    server.listen(port, address, resolve);
  });
  server.on("error", onBug);
  return server;
}

function send(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, {
    "content-type": status === 200 ? contentType : "text/plain; charset=utf-8",
    "content-length": Buffer.byteLength(body),
    ...(status === 405 ? { allow: "GET, HEAD" } : {}),
  });
  response.end(body);
}
