import { chmod, lstat, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { dirname } from "node:path";
import type { Duplex } from "node:stream";
import { baseErrors } from "./catalogue.ts";
import {
  DarumaError,
  type ErrorDocument,
  type ExitCode,
  exitCode,
  isDarumaError,
  messageOf,
  systemCode,
} from "./errors.ts";
import { makeDirectories } from "./files.ts";

/** `sun_path` has 108 bytes on Linux, one of them the closing NUL (unix(7)). */
export const maxSocketPathBytes = 107;

const maxBodyBytes = 1024 * 1024;
const exitHeader = "daruma-exit";

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

export interface ServeOptions {
  readonly path: string;
  /** Keys are `METHOD /path`. */
  readonly routes: Readonly<Record<string, Handler>>;
  /** Called for `Upgrade:` requests, with the protocol asked for. Answering is up to it. */
  readonly onUpgrade?: (protocol: string, socket: Duplex, head: Buffer) => void;
  /** Mode of the socket file. */
  readonly mode?: number;
  /** Something thrown that is not a DarumaError: a bug. The client gets a 500, this gets the error. */
  readonly onBug: (error: unknown) => void;
}

export interface UnixServer {
  readonly path: string;
  close(): Promise<void>;
}

/**
 * Serves JSON over HTTP on a Unix socket. A socket file left behind by a dead process is replaced; one that a living
 * process serves is not.
 *
 * @throws SOCKET_E_PATH_TOO_LONG, SOCKET_E_IN_USE, SOCKET_E_UNUSABLE
 */
export async function serveUnix(options: ServeOptions): Promise<UnixServer> {
  checkSocketPath(options.path);
  const server = createServer((incoming, response) => {
    void answer(options, incoming, response);
  });
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

export interface CallOptions {
  readonly path: string;
  readonly method: "GET" | "POST";
  /** Path and query. */
  readonly route: string;
  readonly body?: object;
  readonly timeoutMs?: number;
}

/**
 * One request, one document.
 *
 * @throws SOCKET_E_UNREACHABLE, SOCKET_E_TIMEOUT, SOCKET_E_PROTOCOL, or whatever error the server answered with, with
 *   its own code.
 */
export async function callUnix(options: CallOptions): Promise<unknown> {
  const response = await openUnix(options);
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of response) chunks.push(chunk as Buffer);
  } catch (error) {
    throw unreachable(options.path, error);
  }
  return parseBody(Buffer.concat(chunks).toString("utf8"), options.path);
}

/** Like callUnix, for answers that stream: resolves once the status is known to be 200. */
export async function openUnix(options: CallOptions): Promise<IncomingMessage> {
  checkSocketPath(options.path);
  const response = await send(options);
  if (response.statusCode === 200) return response;
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const document = parseBody(Buffer.concat(chunks).toString("utf8"), options.path);
  throw remoteError(document, exitIn(response), options.path);
}

/** @throws SOCKET_E_PATH_TOO_LONG */
export function checkSocketPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes <= maxSocketPathBytes) return;
  throw baseErrors.make(
    "SOCKET_E_PATH_TOO_LONG",
    `the socket path has ${bytes} bytes, ${maxSocketPathBytes} are allowed: ${path}`,
    { where: path },
  );
}

function send(options: CallOptions): Promise<IncomingMessage> {
  const body = options.body === undefined ? undefined : JSON.stringify(options.body);
  const timeoutMs = options.timeoutMs ?? 30_000;
  return new Promise((resolve, reject) => {
    const outgoing = request({
      socketPath: options.path,
      method: options.method,
      path: options.route,
      agent: false,
      headers: body === undefined ? {} : { "content-type": "application/json" },
    });
    const timer = setTimeout(() => {
      outgoing.destroy(
        baseErrors.make("SOCKET_E_TIMEOUT", `no answer from ${options.path} within ${timeoutMs} ms`, {
          where: options.path,
        }),
      );
    }, timeoutMs);
    outgoing.on("response", (response) => {
      clearTimeout(timer);
      resolve(response);
    });
    outgoing.on("error", (error) => {
      clearTimeout(timer);
      reject(isDarumaError(error) ? error : unreachable(options.path, error));
    });
    outgoing.end(body);
  });
}

function unreachable(path: string, cause: unknown): DarumaError {
  const reason = systemCode(cause) === "ENOENT" ? "the socket does not exist" : messageOf(cause);
  return baseErrors.make("SOCKET_E_UNREACHABLE", `cannot reach ${path}: ${reason}`, { where: path, cause });
}

function parseBody(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw baseErrors.make("SOCKET_E_PROTOCOL", `${path} answered with something that is not JSON`, {
      where: path,
      cause,
    });
  }
}

/** How the command that asked should end, as the server's catalogue has it. */
function exitIn({ headers }: IncomingMessage): ExitCode {
  const given = Number(headers[exitHeader]);
  return Object.values(exitCode).find((code) => code === given) ?? exitCode.error;
}

function remoteError(document: unknown, exit: ExitCode, path: string): DarumaError {
  const error = (document as Partial<ErrorDocument> | null)?.error;
  if (error === undefined || typeof error.code !== "string") {
    return baseErrors.make("SOCKET_E_PROTOCOL", `${path} refused without saying why`, { where: path });
  }
  const entry = { summary: error.message, remedy: error.hint, exit };
  return new DarumaError(error.code, entry, error.message, {
    ...(error.where === undefined ? {} : { where: error.where }),
    ...(error.problems === undefined ? {} : { problems: error.problems }),
  });
}

async function answer(
  options: ServeOptions,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const url = new URL(incoming.url ?? "/", "http://localhost");
    const handler = options.routes[`${incoming.method} ${url.pathname}`];
    if (handler === undefined) {
      throw baseErrors.make("SOCKET_E_PROTOCOL", `no such request: ${incoming.method} ${url.pathname}`);
    }
    const document = await handler({
      method: incoming.method ?? "GET",
      path: url.pathname,
      query: url.searchParams,
      body: await readBody(incoming),
      response,
    });
    if (document !== streamed) sendDocument(response, 200, document);
  } catch (error) {
    if (isDarumaError(error)) {
      if (!response.headersSent) response.setHeader(exitHeader, error.exit);
      return sendDocument(response, 400, error.toDocument());
    }
    options.onBug(error);
    const bug = baseErrors.make("SOCKET_E_PROTOCOL", "the daemon failed inside; its log has the details");
    sendDocument(response, 500, bug.toDocument());
  }
}

function sendDocument(response: ServerResponse, status: number, document: object): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(document));
}

async function readBody(incoming: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming) {
    bytes += (chunk as Buffer).length;
    if (bytes > maxBodyBytes)
      throw baseErrors.make("SOCKET_E_PROTOCOL", `a request body may have ${maxBodyBytes} bytes`);
    chunks.push(chunk as Buffer);
  }
  if (bytes === 0) return undefined;
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
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
