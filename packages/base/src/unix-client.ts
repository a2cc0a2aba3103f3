import { type IncomingMessage, request } from "node:http";
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
import { checkSocketPath, exitHeader } from "./socket.ts";

export interface CallOptions {
  readonly path: string;
  readonly method: "GET" | "POST";
  /** Path and query. */
  readonly route: string;
  readonly body?: object;
  /** For the head of the answer alone. */
  readonly timeoutMs?: number;
  /** Ends the request, and the answer while it is being read, with SOCKET_E_UNREACHABLE. */
  readonly signal?: AbortSignal;
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

function send(options: CallOptions): Promise<IncomingMessage> {
  const body = options.body === undefined ? undefined : JSON.stringify(options.body);
  const timeoutMs = options.timeoutMs ?? 30_000;
  return new Promise((resolve, reject) => {
    const outgoing = request({
      socketPath: options.path,
      method: options.method,
      path: options.route,
      agent: false,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
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
