/**
 * Where the benchmark's connections lead to, in a process of its own: an echo, a source that sends as fast as it can, and a
 * small answer over HTTP. Says its ports on stdout; ends with its parent.
 */
import { once } from "node:events";
import { createServer as createHttp } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";

export interface OriginPorts {
  readonly echo: number;
  /** Sends as many bytes as the first line that it gets says. */
  readonly source: number;
  readonly http: number;
}

if (import.meta.main) {
  const servers = {
    echo: createServer((socket) => quiet(socket).pipe(socket)),
    source: createServer((socket) => {
      quiet(socket).once("data", (line) => pour(socket, Number(String(line))));
    }),
    http: createHttp((_, response) => response.end("hello")),
  };
  const ports = Object.entries(servers).map(async ([name, server]) => [name, await portOf(server)]);
  process.stdout.write(`${JSON.stringify(Object.fromEntries(await Promise.all(ports)))}\n`);
  process.stdin.on("end", () => process.exit()).resume();
}

function quiet(socket: Socket): Socket {
  return socket.setNoDelay().on("error", () => socket.destroy());
}

function pour(socket: Socket, total: number): void {
  const chunk = Buffer.alloc(256 * 1024, 1);
  let left = total;
  const more = () => {
    while (left > 0) {
      const part = left < chunk.length ? chunk.subarray(0, left) : chunk;
      left -= part.length;
      if (!socket.write(part)) return;
    }
    socket.end();
  };
  socket.on("drain", more);
  more();
}

async function portOf(server: Server): Promise<number> {
  server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 });
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}
