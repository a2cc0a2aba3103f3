import { createSocket, type Socket as DatagramSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { systemCode } from "@daruma/base";
import type { EchoPorts } from "./ways.ts";

/** The name of egressd's echo target, which leads nowhere (RFC 2606, `.invalid`). Every agent may ask for it. */
export const echoAuthority = "self-test.daruma.invalid:7";

const withinMs = 10_000;
const greeting = Buffer.from("daruma");

/** Answers a client that asked for the echo target: the first bytes that it sends come back, and that is all. */
export function serveEcho(client: Socket, head: Buffer): void {
  client.on("error", () => client.destroy());
  client.setTimeout(withinMs, () => client.destroy());
  client.write("HTTP/1.1 200 Connection Established\r\n\r\n");
  if (head.length > 0) {
    client.end(head);
    return;
  }
  client.once("data", (chunk: Buffer) => client.end(chunk));
  client.once("end", () => client.end());
  client.resume();
}

/**
 * Answers whoever comes on a loopback address, over TCP and UDP. No agent behind a wall gets here, so an agent that does is
 * the proof that there is a hole: that nothing answered cannot be the reason why it does not.
 */
export class Echo {
  readonly ports: EchoPorts;
  readonly #close: () => void;

  private constructor(ports: EchoPorts, close: () => void) {
    this.ports = ports;
    this.#close = close;
  }

  static async open(): Promise<Echo> {
    const [v4, v6] = await Promise.all([listen("127.0.0.1"), listen("::1")]);
    const portsOf = (place: Place | null) => (place === null ? null : place.ports);
    return new Echo({ v4: portsOf(v4), v6: portsOf(v6) }, () => {
      for (const place of [v4, v6]) {
        place?.server.close();
        place?.socket.close();
      }
    });
  }

  close(): void {
    this.#close();
  }
}

interface Place {
  readonly server: Server;
  readonly socket: DatagramSocket;
  readonly ports: { readonly tcp: number; readonly udp: number };
}

/** Null where the host has no such address: it may have no IPv6. */
async function listen(address: string): Promise<Place | null> {
  const server = createServer((socket) => socket.on("error", () => undefined).end(greeting));
  const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
  // Never to its own greeting: two of a kind would talk for ever.
  socket.on("message", (message, { address: host, port }) => {
    if (!message.equals(greeting)) socket.send(greeting, port, host, () => undefined);
  });
  try {
    server.listen(0, address);
    await once(server, "listening");
    socket.bind(0, address);
    await once(socket, "listening");
  } catch (error) {
    server.close();
    socket.close();
    const code = systemCode(error);
    if (code === "EADDRNOTAVAIL" || code === "EAFNOSUPPORT") return null;
    throw error;
  }
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("a TCP server has a port");
  return { server, socket, ports: { tcp: bound.port, udp: socket.address().port } };
}
