import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { connect as connectPlain, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { messageOf, systemCode } from "@daruma/base";
import { sinkAuthority } from "@daruma/config";
import type { HttpAnswer, HttpRequest } from "./sinks/sink.ts";

const maxBodyBytes = 64 * 1024;

export interface Transport {
  /** @throws TransportFailure */
  connect(url: string, signal: AbortSignal): Promise<Socket>;
  /**
   * One request on a connection of its own. Redirects are not followed.
   *
   * @throws TransportFailure, within `withinMs` whatever the other side does
   */
  send(request: HttpRequest, withinMs: number): Promise<HttpAnswer>;
}

/** No answer, or none that is whole. What was sent may have arrived. The message has no URL in it. */
export class TransportFailure extends Error {
  override readonly name = "TransportFailure";
}

/**
 * Trusted are the authorities that Node trusts: its own or the system's, as it was built, and those in NODE_EXTRA_CA_CERTS.
 *
 * @param egressd socket of egressd's entrance for alerts, through which everything goes; null where there is no egressd
 */
export function createTransport(options: { readonly egressd: string | null }): Transport {
  const connect = async (url: string, signal: AbortSignal) => {
    const { host, port } = sinkAuthority(url);
    return options.egressd === null ? dial(host, port, signal) : tunnel(options.egressd, host, port, signal);
  };
  return {
    connect,
    async send(request, withinMs) {
      const signal = AbortSignal.timeout(withinMs);
      try {
        const raw = await connect(request.url, signal);
        return await exchange(request, raw, signal);
      } catch (error) {
        if (signal.aborted) throw new TransportFailure(`no whole answer within ${withinMs} ms`);
        throw error instanceof TransportFailure ? error : new TransportFailure(plain(error));
      }
    },
  };
}

function dial(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  const socket = connectPlain({ host, port, signal, autoSelectFamily: true });
  return new Promise((resolve, reject) => {
    socket.once("connect", () => resolve(socket)).once("error", reject);
  });
}

/** RFC 9110 9.3.6, over egressd's socket. */
function tunnel(socketPath: string, host: string, port: number, signal: AbortSignal): Promise<Socket> {
  const authority = `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
  const outgoing = requestHttp({ socketPath, method: "CONNECT", path: authority, agent: false, signal });
  return new Promise((resolve, reject) => {
    outgoing.once("connect", (answer: IncomingMessage, socket: Socket) => {
      if (answer.statusCode === 200) resolve(socket);
      else {
        socket.destroy();
        reject(new TransportFailure(`egressd does not connect to ${authority}: HTTP ${answer.statusCode}`));
      }
    });
    outgoing.once("response", (answer) => {
      answer.resume();
      reject(new TransportFailure(`egressd does not connect to ${authority}: HTTP ${answer.statusCode}`));
    });
    outgoing.once("error", (error) =>
      reject(new TransportFailure(`egressd cannot be reached: ${systemCode(error) ?? messageOf(error)}`)),
    );
    outgoing.end();
  });
}

function exchange(
  { url, method, headers, body }: HttpRequest,
  raw: Socket,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  const { protocol, hostname } = new URL(url);
  const bare = hostname.replace(/^\[(.*)\]$/, "$1");
  const secure = () =>
    connectTls({
      socket: raw,
      host: bare,
      ...(isIP(bare) === 0 ? { servername: bare } : {}),
      ALPNProtocols: ["http/1.1"],
    });
  const open = protocol === "https:" ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    const outgoing = open(url, {
      method,
      signal,
      headers: { ...headers, "content-length": Buffer.byteLength(body), connection: "close" },
      createConnection: () => (protocol === "https:" ? secure() : raw),
    });
    outgoing.once("error", reject);
    outgoing.once("response", (answer) => {
      readAnswer(answer)
        .then(resolve, reject)
        .finally(() => raw.destroy());
    });
    outgoing.end(body);
  });
}

async function readAnswer(answer: IncomingMessage): Promise<HttpAnswer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= maxBodyBytes) break;
  }
  // An end that the headers do not announce is an answer that was cut off.
  if (size < maxBodyBytes && !answer.complete) throw new TransportFailure("the answer broke off");
  const headers = Object.entries(answer.headers).map(([name, value]) => [
    name,
    Array.isArray(value) ? value[0] : value,
  ]);
  const body = Buffer.concat(chunks).subarray(0, maxBodyBytes).toString("utf8");
  return { status: answer.statusCode ?? 0, headers: Object.fromEntries(headers), body };
}

function plain(error: unknown): string {
  const code = systemCode(error);
  const message = messageOf(error);
  return code === undefined || message.includes(code) ? message : `${code}: ${message}`;
}
