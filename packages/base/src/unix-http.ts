import { chmod, lstat, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { dirname } from "node:path";
import type { Duplex } from "node:stream";
import { baseErrors } from "./catalogue.ts";
import { type DarumaError, isDarumaError, messageOf } from "./errors.ts";
import { makeDirectories } from "./files.ts";
import { checkSocketPath, exitHeader } from "./socket.ts";

export interface Request {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** The decoded JSON body; `undefined` where there was none. */
  readonly body: unknown;
  /** For answers that stream: the handler writes and ends it itself and returns `streamed`. */
  readonly response: ServerResponse;
}

export const streamed = Symbol("the handler has answered by itself");

/** Returns the document to send (status 200), or throws a DarumaError (sent as its document with status 4xx/5xx). */
export type Handler = (request: Request) => Promise<object | typeof streamed>;

/** What a server takes from those who connect. */
export interface ServeLimits {
  /** Of a request's body. More is refused before it is read. */
  readonly bodyBytes: number;
  /** At once; further ones are closed as they come. */
  readonly connections: number;
  /** How long a client may take to send a request, and its head alone. */
  readonly requestMs: number;
}

/** With which HTTP status an error is sent, and after how long it makes sense to ask again. */
export interface Refusal {
  readonly status: number;
  readonly retryAfterSeconds?: number;
}

export interface ServeOptions {
  readonly path: string;
  /** Keys are `METHOD /path`. */
  readonly routes: Readonly<Record<string, Handler>>;
  /** Called when the head of a request is there, whatever becomes of it. */
  readonly onRequest?: () => void;
  /** Called for `Upgrade:` requests, with the protocol asked for. Answering is up to it. */
  readonly onUpgrade?: (protocol: string, socket: Duplex, head: Buffer) => void;
  /** Mode of the socket file. Default: for its owner alone. */
  readonly mode?: number;
  /** For clients that are not to be trusted. By default, a body may have 1 MiB, and the rest is as Node has it. */
  readonly limits?: ServeLimits;
  /** Default: 400 for every error. */
  readonly refusalOf?: (error: DarumaError) => Refusal;
  /** Something thrown that is not a DarumaError: a bug. The client gets a 500, this gets the error. */
  readonly onBug: (error: unknown) => void;
}

export interface UnixServer {
  readonly path: string;
  close(): Promise<void>;
}

const maxBodyBytes = 1024 * 1024;
/** How often Node looks for clients that have taken too long. */
const lookEveryMs = 5_000;
const maxHeadBytes = 8 * 1024;

/**
 * Serves JSON over HTTP on a Unix socket. A socket file left behind by a dead process is replaced; one that a living
 * process serves is not.
 *
 * @throws SOCKET_E_PATH_TOO_LONG, SOCKET_E_IN_USE, SOCKET_E_UNUSABLE
 */
export async function serveUnix(options: ServeOptions): Promise<UnixServer> {
  checkSocketPath(options.path);
  const server = serverFor(options);
  server.on("upgrade", (incoming, socket, head) => {
    if (options.onUpgrade === undefined) socket.end("HTTP/1.1 426 Upgrade Required\r\n\r\n");
    else options.onUpgrade(String(incoming.headers.upgrade), socket, head);
  });
  try {
    await makeDirectories(dirname(options.path), 0o700);
    if (await someoneListens(options.path)) {
      throw baseErrors.make("SOCKET_E_IN_USE", `another process serves ${options.path}`, {
        where: options.path,
      });
    }
    await removeStaleSocket(options.path);
    await listen(server, options.path);
    await chmod(options.path, options.mode ?? 0o600);
  } catch (error) {
    server.close();
    if (isDarumaError(error)) throw error;
    throw baseErrors.make("SOCKET_E_UNUSABLE", `cannot serve ${options.path}: ${messageOf(error)}`, {
      where: options.path,
      cause: error,
    });
  }
  return {
    path: options.path,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function serverFor(options: ServeOptions): Server {
  const { limits } = options;
  const onRequest = (incoming: IncomingMessage, response: ServerResponse) => {
    options.onRequest?.();
    void answer(options, incoming, response);
  };
  if (limits === undefined) return createServer(onRequest);
  const server = createServer(
    {
      headersTimeout: limits.requestMs,
      requestTimeout: limits.requestMs,
      keepAliveTimeout: limits.requestMs,
      connectionsCheckingInterval: Math.min(limits.requestMs, lookEveryMs),
      maxHeaderSize: maxHeadBytes,
    },
    onRequest,
  );
  server.maxConnections = limits.connections;
  return server;
}

async function answer(
  options: ServeOptions,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const url = URL.parse(incoming.url ?? "/", "http://localhost");
    const handler = options.routes[`${incoming.method} ${url?.pathname}`];
    if (url === null || handler === undefined) {
      const message = `no such request: ${incoming.method} ${url?.pathname ?? ""}`;
      return refuse(response, 404, baseErrors.make("SOCKET_E_PROTOCOL", message));
    }
    const bytes = await readBody(incoming, options.limits?.bodyBytes ?? maxBodyBytes);
    if (!Buffer.isBuffer(bytes)) return refuse(response.setHeader("connection", "close"), 413, bytes);
    const document = await handler({
      method: incoming.method ?? "GET",
      path: url.pathname,
      query: url.searchParams,
      body: parse(bytes),
      response,
    });
    if (document !== streamed) sendDocument(response, 200, document);
  } catch (error) {
    if (isDarumaError(error)) return refuseAs(response, options.refusalOf?.(error) ?? { status: 400 }, error);
    // The client has gone in the middle of its request: there is nobody to answer.
    if (incoming.destroyed && !incoming.complete) return;
    options.onBug(error);
    const bug = baseErrors.make("SOCKET_E_PROTOCOL", "the daemon failed inside; its log has the details");
    sendDocument(response, 500, bug.toDocument());
  }
}

function refuseAs(response: ServerResponse, refusal: Refusal, error: DarumaError): void {
  const { status, retryAfterSeconds } = refusal;
  if (retryAfterSeconds !== undefined && !response.headersSent) {
    response.setHeader("retry-after", String(retryAfterSeconds));
  }
  refuse(response, status, error);
}

function refuse(response: ServerResponse, status: number, error: DarumaError): void {
  if (!response.headersSent) response.setHeader(exitHeader, error.exit);
  sendDocument(response, status, error.toDocument());
}

function sendDocument(response: ServerResponse, status: number, document: object): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(document));
}

/** The bytes, or what is wrong with how many they are: then the rest of them is not read. */
async function readBody(incoming: IncomingMessage, most: number): Promise<Buffer | DarumaError> {
  const tooLarge = () => baseErrors.make("SOCKET_E_PROTOCOL", `a request body may have ${most} bytes`);
  if (Number(incoming.headers["content-length"] ?? 0) > most) return tooLarge();
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Not destroyed on return, which would cut the connection before the refusal has been sent.
  for await (const chunk of incoming.iterator({ destroyOnReturn: false })) {
    bytes += (chunk as Buffer).length;
    if (bytes > most) return tooLarge();
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

function parse(bytes: Buffer): unknown {
  if (bytes.length === 0) return undefined;
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch (cause) {
    throw baseErrors.make("SOCKET_E_PROTOCOL", "the request body is not JSON", { cause });
  }
}

function someoneListens(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", () => resolve(false));
  });
}

/** Whatever else is in the way is not ours to delete; listening then fails and says so. */
async function removeStaleSocket(path: string): Promise<void> {
  const found = await lstat(path).catch(() => null);
  if (found?.isSocket() === true) await rm(path, { force: true });
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => {
      server.off("error", reject);
      resolve();
    });
  });
}
