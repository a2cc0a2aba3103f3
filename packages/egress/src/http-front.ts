import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { systemCode } from "@daruma/base";
import { answer, answerOf, rawAnswer } from "./answers.ts";
import type { Door, Opened } from "./door.ts";
import { endWith } from "./polite-end.ts";
import { echoAuthority, serveEcho } from "./self-test/echo.ts";
import { formatTarget, type ParsedTarget, parseTarget } from "./target.ts";

const maxHeaderBytes = 16 * 1024;
const maxHeaders = 100;

/** Headers of one hop (RFC 9110 7.6.1), and those that are between the client and the proxy. */
const hopByHop: ReadonlySet<string> = new Set([
  "connection",
  "proxy-connection",
  "keep-alive",
  "proxy-authorization",
  "proxy-authenticate",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "expect",
]);

/**
 * The HTTP side of a proxy port (RFC 9110 7.6, 9.3.6): CONNECT, and requests with an absolute URI. It listens on nothing;
 * sockets are handed to it.
 */
export class HttpFront {
  readonly #door: Door;
  readonly #server: Server;
  readonly #deadlines = new WeakMap<Socket, NodeJS.Timeout>();

  constructor(door: Door) {
    this.#door = door;
    this.#server = createServer({
      maxHeaderSize: maxHeaderBytes,
      // The target is in the request line; what the Host header says counts for nothing (RFC 9112 3.2.2).
      requireHostHeader: false,
      keepAliveTimeout: door.times.headersMs,
      noDelay: true,
    });
    this.#server.maxHeadersCount = maxHeaders;
    this.#server.on("connect", (incoming, socket, head) => {
      this.#disarm(socket as Socket);
      void this.#connect(incoming, socket as Socket, head);
    });
    this.#server.on("request", (incoming, response) => {
      this.#disarm(incoming.socket);
      // The next request on the same connection has as much time as the first.
      response.once("finish", () => this.#arm(incoming.socket));
      void this.#forward(incoming, response);
    });
    this.#server.on("clientError", (error, socket) => this.#badRequest(error, socket as Socket));
  }

  /** Takes a client over; what was read from it already has been put back. */
  accept(socket: Socket): void {
    socket.once("close", () => this.#disarm(socket));
    this.#arm(socket);
    this.#server.emit("connection", socket);
  }

  /** Node's own time limits are only kept by a server that listens. */
  #arm(socket: Socket): void {
    this.#disarm(socket);
    if (socket.destroyed) return;
    this.#deadlines.set(
      socket,
      setTimeout(() => socket.destroy(), this.#door.times.headersMs),
    );
  }

  #disarm(socket: Socket): void {
    clearTimeout(this.#deadlines.get(socket));
  }

  async #connect(incoming: IncomingMessage, client: Socket, head: Buffer): Promise<void> {
    client.on("error", () => undefined);
    // Node hands it over flowing, with nobody listening: what comes while the target is being connected would be lost.
    client.pause();
    const text = incoming.url ?? "";
    if (text === echoAuthority) {
      serveEcho(client, head);
      return;
    }
    const opened = await this.#door.open(authorityOf(text), "connect");
    if (!("socket" in opened)) {
      endWith(client, rawAnswer(answerOf(opened)));
      return;
    }
    client.write("HTTP/1.1 200 Connection Established\r\n\r\n");
    this.#door.join(opened, client, head, "connect");
  }

  async #forward(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on("error", () => undefined);
    const parsed = absoluteTarget(incoming.url ?? "");
    const opened = await this.#door.open(parsed, "http");
    if (!("socket" in opened)) {
      const { status, body } = answerOf(opened);
      // The body that was not read is not worth waiting for.
      response.writeHead(status, { "content-type": "application/json", connection: "close" }).end(body);
      return;
    }
    this.#exchange(opened, incoming, response);
  }

  #exchange(opened: Opened, incoming: IncomingMessage, response: ServerResponse): void {
    const { socket, target } = opened;
    const startedAt = performance.now();
    const { idleMs, bytes } = this.#door.rules.limits;
    const outgoing = request({
      createConnection: () => socket,
      method: incoming.method ?? "GET",
      path: pathOf(incoming.url ?? ""),
      headers: requestHeaders(incoming, hostHeader(opened)),
      setHost: false,
    });
    const fail = (message: string) => {
      outgoing.destroy();
      if (response.headersSent) response.destroy();
      else {
        const { status, body } = answer(502, {
          error: "egress-upstream",
          message: `${formatTarget(target)}: ${message}`,
        });
        response.writeHead(status, { "content-type": "application/json", connection: "close" }).end(body);
      }
    };
    socket.setTimeout(idleMs, () => fail("nothing came for too long"));
    const watch = () => {
      if (bytes !== null && socket.bytesRead + socket.bytesWritten > bytes)
        fail("it carries more than it may");
    };
    socket.on("data", watch);
    incoming.on("data", watch);
    socket.once("close", () => {
      const durationMs = Math.round(performance.now() - startedAt);
      opened.release({ sentBytes: socket.bytesWritten, receivedBytes: socket.bytesRead, durationMs });
    });
    outgoing.on("error", (error) => fail(systemCode(error) ?? "it broke off"));
    outgoing.on("response", (answered) => {
      answered.on("error", () => response.destroy());
      response.writeHead(answered.statusCode ?? 502, answered.statusMessage ?? "", responseHeaders(answered));
      answered.pipe(response);
      answered.once("end", () => socket.end());
    });
    response.once("close", () => {
      if (!response.writableFinished) outgoing.destroy();
    });
    incoming.on("error", () => outgoing.destroy());
    incoming.pipe(outgoing);
  }

  #badRequest(error: Error, socket: Socket): void {
    this.#disarm(socket);
    if (!socket.writable || systemCode(error) === "ECONNRESET") {
      socket.destroy();
      return;
    }
    const isLarge = systemCode(error) === "HPE_HEADER_OVERFLOW";
    const status = isLarge ? 431 : 400;
    const message = isLarge ? `headers have at most ${maxHeaderBytes} bytes` : "this is not HTTP";
    endWith(socket, rawAnswer(answer(status, { error: "egress-bad-request", message })));
  }
}

/** CONNECT takes an authority and nothing else (RFC 9112 3.2.3). */
function authorityOf(text: string): ParsedTarget {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text))
    return { ok: false, problem: "is not valid: CONNECT takes HOST:PORT" };
  return parseTarget(text);
}

function absoluteTarget(url: string): ParsedTarget {
  if (/^http:\/\//i.test(url)) return parseTarget(url);
  const problem = /^https:\/\//i.test(url)
    ? "is https, which goes through CONNECT"
    : "is no absolute http URL: this is a proxy, not a server";
  return { ok: false, problem };
}

/** Path and query as they were sent: they are the target's own business. */
function pathOf(url: string): string {
  const path = url.replace(/^http:\/\/[^/?#]*/i, "").split("#", 1)[0] ?? "";
  return path.startsWith("/") ? path : `/${path}`;
}

function hostHeader({ target }: Opened): string {
  const text = formatTarget(target);
  return target.port === 80 ? text.slice(0, text.lastIndexOf(":")) : text;
}

function requestHeaders(incoming: IncomingMessage, host: string): string[] {
  const kept = endToEnd(incoming).filter(([name]) => name.toLowerCase() !== "host");
  const framing =
    incoming.headers["transfer-encoding"] === undefined ? [] : [["Transfer-Encoding", "chunked"]];
  return [["Host", host], ...kept, ...framing, ["Connection", "close"]].flat();
}

function responseHeaders(answered: IncomingMessage): string[] {
  return endToEnd(answered).flat();
}

/** Headers in their order and spelling, without those of this hop and those that Connection names. */
function endToEnd(message: IncomingMessage): (readonly [string, string])[] {
  const named = (message.headers.connection ?? "")
    .toLowerCase()
    .split(",")
    .map((name) => name.trim());
  const pairs = message.rawHeaders.flatMap((name, index, all) =>
    index % 2 === 0 ? [[name, all[index + 1] ?? ""] as const] : [],
  );
  return pairs.filter(([name]) => !hopByHop.has(name.toLowerCase()) && !named.includes(name.toLowerCase()));
}
