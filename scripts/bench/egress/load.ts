/** What is asked of a proxy, or, where `proxy` is null, of the target itself. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";

export interface Route {
  readonly proxy: number | null;
  readonly target: number;
}

const host = "127.0.0.1";

/** A connection to the target, through CONNECT where there is a proxy. */
export async function open({ proxy, target }: Route): Promise<Socket> {
  const socket = connect({ port: proxy ?? target, host, noDelay: true });
  socket.on("error", () => socket.destroy());
  await once(socket, "connect");
  if (proxy === null) return socket;
  socket.write(`CONNECT ${host}:${target} HTTP/1.1\r\nHost: ${host}:${target}\r\n\r\n`);
  let head = "";
  while (!head.includes("\r\n\r\n")) {
    const [chunk] = (await Promise.race([once(socket, "data"), gone(socket)])) as [Buffer];
    head += chunk.toString("latin1");
  }
  if (!/^HTTP\/1\.[01] 200/.test(head)) throw new Error(`the proxy says ${head.split("\r\n", 1)[0]}`);
  return socket;
}

/** Times in ms from nothing to the first byte that came back, one after the other. */
export async function connectTimes(route: Route, count: number): Promise<readonly number[]> {
  const times: number[] = [];
  for (let n = 0; n < count; n += 1) {
    const begun = performance.now();
    const socket = await open(route);
    socket.write("x");
    await once(socket, "data");
    times.push(performance.now() - begun);
    socket.destroy();
  }
  return times;
}

/** Answers a second, each of 64 clients with one request at a time. Connections are kept as far as the proxy keeps them. */
export async function requestRate(route: Route, clients: number, forMs: number): Promise<number> {
  const until = performance.now() + forMs;
  const place = `http://${host}:${route.target}/`;
  const line = `GET ${route.proxy === null ? "/" : place} HTTP/1.1\r\nHost: ${host}:${route.target}\r\n\r\n`;
  let answers = 0;
  const client = async () => {
    while (performance.now() < until) {
      const socket = connect({ port: route.proxy ?? route.target, host, noDelay: true });
      socket.on("error", () => socket.destroy());
      const closed = once(socket, "close");
      let text = "";
      socket.on("data", (chunk) => {
        text += chunk.toString("latin1");
        if (!text.endsWith("\r\n\r\nhello")) return;
        answers += 1;
        const isLast = performance.now() >= until || /^connection: close/im.test(text);
        text = "";
        if (isLast) socket.destroy();
        else socket.write(line);
      });
      socket.on("end", () => socket.destroy());
      socket.write(line);
      await closed;
    }
  };
  const begun = performance.now();
  await Promise.all(Array.from({ length: clients }, client));
  return answers / ((performance.now() - begun) / 1000);
}

/** MB (10^6 bytes) a second through one tunnel, from the target to here. */
export async function tunnelRate(route: Route, bytes: number): Promise<number> {
  const socket = await open(route);
  const begun = performance.now();
  let received = 0;
  socket.on("data", (chunk) => {
    received += chunk.length;
  });
  socket.write(`${bytes}\n`);
  await once(socket, "close");
  if (received !== bytes) throw new Error(`${received} of ${bytes} bytes came through`);
  return received / 1000 / (performance.now() - begun);
}

/** As many tunnels at once. */
export async function tunnels(route: Route, count: number): Promise<readonly Socket[]> {
  const sockets: Socket[] = [];
  while (sockets.length < count) {
    const batch = Math.min(32, count - sockets.length);
    sockets.push(...(await Promise.all(Array.from({ length: batch }, () => open(route)))));
  }
  return sockets;
}

/** Opens connections and drops them, every other one with a request in it; a second's worth of how many. */
export async function dropRate({ proxy, target }: Route, count: number): Promise<number> {
  const begun = performance.now();
  for (let n = 0; n < count; n += 100) {
    const batch = Array.from({ length: 100 }, async (_, index) => {
      const socket = connect({ port: proxy ?? target, host });
      socket.on("error", () => socket.destroy());
      const closed = once(socket, "close");
      await once(socket, "connect").catch(() => undefined);
      if (index % 2 === 0) socket.write(`CONNECT ${host}:${target} HTTP/1.1\r\n\r\n`);
      socket.destroy();
      await closed;
    });
    await Promise.all(batch);
  }
  return count / ((performance.now() - begun) / 1000);
}

async function gone(socket: Socket): Promise<never> {
  await once(socket, "close");
  throw new Error("the proxy has hung up");
}
