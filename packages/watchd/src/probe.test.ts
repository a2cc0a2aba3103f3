import { execFile } from "node:child_process";
import { createServer, type RequestListener } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import t, { type Test } from "tap";
import { createProber } from "./probe.ts";

const run = promisify(execFile);
const prober = createProber();

/** Listens on a free loopback port until the test ends, open connections or not. */
async function listen(t: Test, server: Server): Promise<string> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/health`;
}

const serve = (t: Test, listener: RequestListener) => listen(t, createServer(listener));

function answering(t: Test, status: number, body: string) {
  return serve(t, (_request, response) => response.writeHead(status).end(body));
}

t.test("an answer with the expected status is healthy and has its latency measured", async (t) => {
  const url = await answering(t, 204, "");
  const outcome = await prober.probe({ url, status: 204, withinMs: 10_000 });
  t.equal(outcome.ok, true);
  t.ok(outcome.latencyMs > 0 && outcome.latencyMs < 10_000);
});

t.test("another status is named together with the expected one", async (t) => {
  const url = await answering(t, 500, "boom");
  t.match(await prober.probe({ url, status: 200, withinMs: 10_000 }), {
    ok: false,
    reason: "status 500, expected 200",
    dependency: undefined,
  });
});

t.test("a redirect is followed on the agent's own port, as a browser would", async (t) => {
  const url = await serve(t, (request, response) => {
    if (request.url === "/health") response.writeHead(302, { location: "/health/" }).end();
    else response.writeHead(200).end("ready");
  });
  const body = { contains: "ready", json: {} };
  t.match(await prober.probe({ url, status: 200, withinMs: 10_000, body }), { ok: true });
  t.match(await prober.probe({ url, status: 302, withinMs: 10_000 }), { ok: true }, "it is what is expected");
});

t.test("another server's health is not taken for the agent's: a redirect to it fails", async (t) => {
  const good = await answering(t, 200, "");
  const url = await serve(t, (_request, response) => response.writeHead(302, { location: good }).end());
  t.match(await prober.probe({ url, status: 200, withinMs: 10_000 }), {
    ok: false,
    reason: /^redirected to another place/,
  });
});

t.test("redirects in a circle end, and all of them together have one time limit", async (t) => {
  const circle = await serve(t, (_request, response) =>
    response.writeHead(307, { location: "/health" }).end(),
  );
  t.match(await prober.probe({ url: circle, status: 200, withinMs: 10_000 }), {
    ok: false,
    reason: "redirected more than 5 times",
  });
  const slow = await serve(t, (request, response) => {
    if (request.url === "/health") response.writeHead(302, { location: "/never" }).end();
  });
  t.match(await prober.probe({ url: slow, status: 200, withinMs: 50 }), {
    ok: false,
    reason: "no answer within 50 ms",
  });
});

t.test("a failing answer that names a dependency puts the fault outside", async (t) => {
  const url = await answering(t, 503, JSON.stringify({ status: "waiting", dependency: " postgres " }));
  t.match(await prober.probe({ url, status: 200, withinMs: 10_000 }), { ok: false, dependency: "postgres" });
});

t.test("a dependency's name is cut to a bounded length", async (t) => {
  const url = await answering(t, 503, JSON.stringify({ dependency: "x".repeat(10_000) }));
  const outcome = await prober.probe({ url, status: 200, withinMs: 10_000 });
  t.equal(outcome.ok === false && outcome.dependency?.length, 200);
});

t.test("a healthy answer that names a dependency is healthy", async (t) => {
  const url = await answering(t, 200, JSON.stringify({ dependency: "postgres" }));
  t.match(await prober.probe({ url, status: 200, withinMs: 10_000 }), { ok: true, dependency: undefined });
});

for (const body of [
  "",
  "not json",
  "null",
  "[]",
  '"dependency"',
  '{"dependency":""}',
  '{"dependency":5}',
  "{}",
]) {
  t.test(`the body ${JSON.stringify(body)} names no dependency`, async (t) => {
    const url = await answering(t, 503, body);
    const outcome = await prober.probe({ url, status: 200, withinMs: 10_000 });
    t.equal(outcome.ok, false);
    t.notOk("dependency" in outcome);
  });
}

t.test("a port where nobody listens refuses the connection", async (t) => {
  const server = createTcpServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  const outcome = await prober.probe({ url: `http://127.0.0.1:${port}/`, status: 200, withinMs: 10_000 });
  t.match(outcome, { ok: false, reason: "connection refused" });
});

t.test("the deadline covers silence before the headers", async (t) => {
  const url = await serve(t, () => undefined);
  const outcome = await prober.probe({ url, status: 200, withinMs: 50 });
  t.match(outcome, { ok: false, reason: "no answer within 50 ms" });
  // Timers count from the last tick of a clock of milliseconds.
  t.ok(outcome.latencyMs >= 48, `${outcome.latencyMs} ms`);
});

t.test("the deadline covers a body that trickles without end", async (t) => {
  const url = await serve(t, (_request, response) => {
    const timer = setInterval(() => response.write("."), 5);
    response.on("close", () => clearInterval(timer));
  });
  t.match(await prober.probe({ url, status: 200, withinMs: 100 }), { reason: "no answer within 100 ms" });
});

t.test("a body beyond 64 KiB is not read to its end and the status decides", async (t) => {
  for (const [status, ok] of [
    [200, true],
    [500, false],
  ] as const) {
    const url = await serve(t, (_request, response) => {
      response.writeHead(status);
      const more = () => {
        while (response.write("x".repeat(16_384)));
      };
      response.on("drain", more);
      more();
    });
    t.equal((await prober.probe({ url, status: 200, withinMs: 20_000 })).ok, ok);
  }
});

t.test("an answer that breaks off in its body is not healthy", async (t) => {
  const url = await serve(t, (_request, response) => {
    response.writeHead(200, { "content-length": "100" });
    response.write("half", () => response.socket?.destroy());
  });
  t.match(await prober.probe({ url, status: 200, withinMs: 10_000 }), {
    ok: false,
    reason: "the answer broke off",
  });
});

t.test("a connection that is closed without an answer is not healthy", async (t) => {
  const url = await listen(
    t,
    createTcpServer((socket) => void socket.destroy()),
  );
  t.match(await prober.probe({ url, status: 200, withinMs: 10_000 }), {
    ok: false,
    reason: /^connection closed/,
  });
});

t.test("something that is not HTTP is not healthy", async (t) => {
  const url = await listen(
    t,
    createTcpServer((socket) => void socket.end("220 mail.example.com ESMTP\r\n")),
  );
  t.match(await prober.probe({ url, status: 200, withinMs: 10_000 }), {
    ok: false,
    reason: "the answer is not HTTP",
  });
});

t.test("an answer that changes the protocol is not healthy", async (t) => {
  const answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";
  const url = await listen(
    t,
    createTcpServer((socket) => void socket.write(answer)),
  );
  t.equal((await prober.probe({ url, status: 101, withinMs: 10_000 })).ok, false);
});

t.test("a URL that cannot be asked is an outcome, not a rejection", async (t) => {
  for (const url of ["nonsense", "ftp://127.0.0.1/", "http://127.0.0.1:99999/"]) {
    t.equal((await prober.probe({ url, status: 200, withinMs: 10_000 })).ok, false);
  }
});

t.test("a proxy in the environment is not used", async (t) => {
  const url = await answering(t, 200, "");
  const module = fileURLToPath(new URL("./probe.ts", import.meta.url));
  const script = `const { createProber } = await import(${JSON.stringify(module)});
    console.log(JSON.stringify(await createProber().probe(${JSON.stringify({ url, status: 200, withinMs: 30_000 })})))`;
  const env = { ...process.env, http_proxy: "http://127.0.0.1:9", no_proxy: "", NODE_USE_ENV_PROXY: "1" };
  const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", script], { env });
  t.match(JSON.parse(stdout), { ok: true });
});

t.test("no connection and no timer is left behind", async (t) => {
  let open = 0;
  const server = createServer((_request, response) => response.writeHead(200).end());
  server.on("connection", (socket) => {
    open++;
    socket.on("close", () => open--);
  });
  const url = await listen(t, server);
  for (let i = 0; i < 20; i++) await prober.probe({ url, status: 200, withinMs: 60_000 });
  while (open > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  t.notOk(process.getActiveResourcesInfo().includes("Timeout"));
});
