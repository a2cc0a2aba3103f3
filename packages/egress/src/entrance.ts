import { createServer, type Server, type Socket } from "node:net";
import { messageOf, systemCode } from "@daruma/base";
import { egressErrors } from "./catalogue.ts";
import type { Door } from "./door.ts";
import { HttpFront } from "./http-front.ts";
import { serveSocks } from "./socks-front.ts";
import { targetOf } from "./target.ts";

const loopback = "127.0.0.1";
const retryMs = 1_000;
/** What the kernel keeps until it is accepted, as far as net.core.somaxconn allows: beyond it, clients wait for a second and more. */
const backlog = 4_096;
const socksVersion = 5;

/** Clients that have connected and not yet said what they want, beyond the connections that an agent may have. */
const spareClients = 64;

/**
 * A port of 127.0.0.1 that leads to one agent's door. While it is taken by somebody else it tries again: an agent whose
 * proxy is not there reaches nothing, which is safe, and has to be told.
 */
export class Entrance {
  readonly port: number;
  readonly #door: Door;
  readonly #server: Server;
  readonly #log: (message: string) => void;
  readonly #clients = new Set<Socket>();
  #retry: NodeJS.Timeout | null = null;
  #isClosed = false;

  private constructor(
    door: Door,
    port: number,
    serve: (socket: Socket) => void,
    log: (message: string) => void,
  ) {
    this.#door = door;
    this.port = port;
    this.#log = log;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
      this.#accept(socket, serve),
    );
  }

  /** HTTP and SOCKS on one port; the first byte tells them apart. */
  static proxy(door: Door, port: number, log: (message: string) => void): Entrance {
    const http = new HttpFront(door);
    return new Entrance(door, port, (socket) => sniff(socket, door, http), log);
  }

  /** All that comes in leads to one host and port. */
  static forward(
    door: Door,
    { port, host, targetPort }: { readonly port: number; readonly host: string; readonly targetPort: number },
    log: (message: string) => void,
  ): Entrance {
    const parsed = targetOf(host, targetPort);
    const serve = async (socket: Socket) => {
      socket.on("error", () => socket.destroy());
      const opened = await door.open(parsed, "forward");
      // There is no protocol in which to say why.
      if ("socket" in opened) door.join(opened, socket, Buffer.alloc(0), "forward");
      else socket.destroy();
    };
    return new Entrance(door, port, (socket) => void serve(socket), log);
  }

  get isListening(): boolean {
    return this.#server.listening;
  }

  /** Resolves once it listens, or has failed to for the first time. */
  async listen(): Promise<void> {
    if (this.#isClosed) return;
    const { promise, resolve } = Promise.withResolvers<unknown>();
    this.#server.once("error", resolve);
    this.#server.listen({ port: this.port, host: loopback, backlog }, () => resolve(null));
    const error = await promise;
    this.#server.removeAllListeners("error");
    this.#server.on("error", (cause) => this.#log(`port ${this.port}: ${messageOf(cause)}`));
    if (error === null) return;
    if (this.#retry === null) {
      const why = systemCode(error) === "EADDRINUSE" ? "another process listens there" : messageOf(error);
      const { code, hint } = egressErrors.make("EGRESSD_E_PORT", why);
      this.#log(
        `${code}: port ${this.port} of ${this.#door.agent}: ${why}; ${this.#door.agent} reaches nothing through it. ${hint}`,
      );
    }
    this.#retry = setTimeout(() => void this.listen(), retryMs).unref();
  }

  close(): void {
    this.#isClosed = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#server.close();
    for (const client of this.#clients) client.destroy();
  }

  #accept(socket: Socket, serve: (socket: Socket) => void): void {
    if (this.#clients.size >= this.#door.rules.limits.connections + spareClients) {
      socket.destroy();
      return;
    }
    this.#clients.add(socket);
    socket.once("close", () => this.#clients.delete(socket));
    serve(socket);
  }
}

function sniff(socket: Socket, door: Door, http: HttpFront): void {
  const destroy = () => socket.destroy();
  const deadline = setTimeout(destroy, door.times.headersMs);
  socket.once("error", destroy).once("close", () => clearTimeout(deadline));
  socket.once("end", destroy);
  socket.once("data", (first: Buffer) => {
    clearTimeout(deadline);
    socket.off("end", destroy);
    socket.pause();
    socket.unshift(first);
    if (first[0] === socksVersion) serveSocks(door, socket);
    else http.accept(socket);
    process.nextTick(() => socket.resume());
  });
}
