import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { isDarumaError, messageOf } from "@daruma/base";
import type { Destination } from "./destination.ts";
import type { Print } from "./format.ts";
import { Passing, type Sink, type SinkOptions } from "./sink.ts";

/**
 * Syslog has no acknowledgements (RFC 6587, 5425): what was written counts as received when the connection has then stood for
 * this long. One that breaks earlier has all of it sent again, so that a receiver may get an entry twice, and misses those
 * only that it took and lost itself.
 */
const settleMs = 1_000;
const connectMs = 10_000;
const keepAliveMs = 30_000;
const stallMs = 60_000;

type SocketDestination = Extract<Destination, { kind: "socket" }>;

/** @throws Passing */
export async function openSocketSink<T, P>(
  destination: SocketDestination,
  print: Print<T>,
  options: SinkOptions<T, P>,
): Promise<Sink<T>> {
  const socket = await connected(destination, options.signal);
  return new SocketSink(socket, print, options);
}

class SocketSink<T, P> implements Sink<T> {
  readonly #socket: Socket;
  readonly #print: Print<T>;
  readonly #options: SinkOptions<T, P>;
  readonly failed: Promise<never>;
  /** Written, and not settled yet. */
  #written: { readonly position: P; readonly at: number }[] = [];
  readonly #timer: NodeJS.Timeout;
  #acknowledging: Promise<void> = Promise.resolve();
  #onSettled: () => void = () => {};

  constructor(socket: Socket, print: Print<T>, options: SinkOptions<T, P>) {
    this.#socket = socket;
    this.#print = print;
    this.#options = options;
    this.failed = new Promise((_, reject) => {
      const lose = (cause?: unknown) => {
        // What has not settled by now never will on this connection.
        clearInterval(this.#timer);
        this.#written = [];
        const why = cause === undefined ? "it closed the connection" : messageOf(cause);
        reject(isDarumaError(cause) ? cause : new Passing(why, { cause }));
      };
      socket.on("error", lose);
      socket.on("end", () => lose());
      socket.on("close", () => lose());
    });
    this.failed.catch(() => undefined);
    // Whatever it says, nothing is expected of it.
    socket.resume();
    // A way that was forgotten in between while nothing happened must be found out before something does.
    socket.setKeepAlive(true, keepAliveMs);
    this.#timer = setInterval(() => this.#settle(performance.now() - settleMs), settleMs / 4);
  }

  async send(items: readonly T[]): Promise<void> {
    const position = this.#options.lastOf(items);
    if (position === null) return;
    const written = new Promise<void>((resolve, reject) => {
      this.#socket.write(this.#print(items), (error) =>
        error ? reject(new Passing(messageOf(error))) : resolve(),
      );
    });
    let timer: NodeJS.Timeout | undefined;
    const stalled = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Passing(`it has taken nothing for ${stallMs} ms`)), stallMs);
    });
    try {
      await Promise.race([written, stalled]);
    } finally {
      clearTimeout(timer);
    }
    this.#written.push({ position, at: performance.now() });
  }

  async finish(): Promise<void> {
    // Not its closing in answer to ours: one that dies closes in just the same way.
    const settled = new Promise<void>((resolve) => {
      this.#onSettled = resolve;
    });
    if (this.#written.length > 0) await Promise.race([settled, this.failed]);
    await this.#acknowledging;
    this.#socket.end();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#socket.destroy();
  }

  #settle(before: number): void {
    const settled = this.#written.findLastIndex(({ at }) => at <= before);
    const last = this.#written[settled];
    if (last === undefined) return;
    this.#written.splice(0, settled + 1);
    this.#acknowledging = this.#acknowledging.then(() => this.#options.onAcknowledged(last.position));
    if (this.#written.length === 0) this.#onSettled();
    this.#acknowledging.catch((error) => this.#socket.destroy(error instanceof Error ? error : undefined));
  }
}

function connected({ tls, host, port }: SocketDestination, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = tls ? connectTls({ host, port, servername: nameFor(host) }) : connect({ host, port });
    const fail = (cause: unknown) => {
      socket.destroy();
      reject(new Passing(`${host}:${port}: ${messageOf(cause)}`, { cause }));
    };
    const timer = setTimeout(() => fail(new Error(`no connection within ${connectMs} ms`)), connectMs);
    const abort = () => fail(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    socket.once("error", fail);
    socket.once("close", () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    });
    socket.once(tls ? "secureConnect" : "connect", () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      socket.off("error", fail);
      resolve(socket);
    });
  });
}

/** An address is no name to ask a certificate for (RFC 6066 3). */
function nameFor(host: string): string {
  return /^[\d.]+$|:/.test(host) ? "" : host;
}
