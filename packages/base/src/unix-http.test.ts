import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { type DarumaError, defineErrors, exitCode, isDarumaError } from "./errors.ts";
import { checkSocketPath, maxSocketPathBytes } from "./socket.ts";
import { callUnix, openUnix } from "./unix-client.ts";
import { type Handler, type ServeOptions, serveUnix, streamed } from "./unix-http.ts";

const errors = defineErrors({
  TEST_E_SAD: { summary: "It is sad.", remedy: "Cheer it up.", exit: exitCode.error },
});

async function directoryFor(t: Test): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "daruma-http-"));
  t.teardown(() => rm(directory, { recursive: true }));
  return directory;
}

async function serve(
  t: Test,
  routes: Record<string, Handler>,
  path?: string,
  more: Pick<ServeOptions, "limits" | "refusalOf"> = {},
) {
  const bugs: unknown[] = [];
  const socket = path ?? join(await directoryFor(t), "s.sock");
  const server = await serveUnix({ path: socket, routes, onBug: (bug) => bugs.push(bug), ...more });
  t.teardown(() => server.close());
  return { socket, bugs, server };
}

async function errorOf(promise: Promise<unknown>): Promise<DarumaError> {
  const error = await promise.then(
    () => new Error("it did not fail"),
    (error: unknown) => error,
  );
  if (isDarumaError(error)) return error;
  throw error;
}

/** Sends raw bytes and resolves with all that comes back. */
async function raw(path: string, text: string): Promise<string> {
  const socket = connect(path);
  socket.end(text);
  let answer = "";
  socket.on("data", (chunk: Buffer) => {
    answer += chunk.toString("utf8");
  });
  await once(socket, "close");
  return answer;
}

t.test("a request reaches its handler with method, query and body, and gets its document", async (t) => {
  const { socket } = await serve(t, {
    "POST /v1/echo": async ({ method, path, query, body }) => ({ method, path, q: query.get("q"), body }),
    "GET /v1/none": async ({ body }) => ({ none: body === undefined }),
  });
  const body = { text: "é\u{1f600}" };
  const echoed = await callUnix({ path: socket, method: "POST", route: "/v1/echo?q=%C3%A9", body });
  t.same(echoed, { method: "POST", path: "/v1/echo", q: "é", body });
  t.same(await callUnix({ path: socket, method: "GET", route: "/v1/none" }), { none: true });
});

t.test("an error of a handler arrives with its code, message, hint, place and problems", async (t) => {
  const problems = [{ path: "a.b", message: "is sad" }];
  const { socket, bugs } = await serve(t, {
    "GET /v1/sad": async () => {
      throw errors.make("TEST_E_SAD", "it is very sad", { where: "/here", problems });
    },
  });
  const error = await errorOf(callUnix({ path: socket, method: "GET", route: "/v1/sad" }));
  t.match(error, {
    code: "TEST_E_SAD",
    message: "it is very sad",
    hint: "Cheer it up.",
    where: "/here",
    problems,
  });
  t.same(bugs, []);
});

t.test("a bug in a handler is told to the server, and to the client without its text", async (t) => {
  const { socket, bugs } = await serve(t, {
    "GET /v1/bug": async () => {
      throw new TypeError("secret internals");
    },
  });
  const error = await errorOf(callUnix({ path: socket, method: "GET", route: "/v1/bug" }));
  t.equal(error.code, "SOCKET_E_PROTOCOL");
  t.notMatch(error.message, /secret/);
  t.equal(bugs.length, 1);
});

t.test("an unknown route or method is refused", async (t) => {
  const { socket } = await serve(t, { "GET /v1/a": async () => ({}) });
  const calls = [callUnix({ path: socket, method: "GET", route: "/v1/b" })];
  calls.push(callUnix({ path: socket, method: "POST", route: "/v1/a", body: {} }));
  for (const call of calls) t.equal((await errorOf(call)).code, "SOCKET_E_PROTOCOL");
});

t.test("a body may have 1 MiB and no more", async (t) => {
  const { socket } = await serve(t, { "POST /v1/a": async ({ body }) => ({ ok: body !== undefined }) });
  const ofBytes = (bytes: number) => ({ text: "x".repeat(bytes - '{"text":""}'.length) });
  const call = (bytes: number) =>
    callUnix({ path: socket, method: "POST", route: "/v1/a", body: ofBytes(bytes) });
  t.same(await call(1024 * 1024), { ok: true });
  // The server may cut the connection while the client still sends: that, too, is a clear refusal.
  const refused = await errorOf(call(1024 * 1024 + 1));
  t.ok(["SOCKET_E_PROTOCOL", "SOCKET_E_UNREACHABLE"].includes(refused.code), refused.code);
  t.same(await call(100), { ok: true }, "and the server goes on");
});

t.test("a body that is not JSON is refused, and so is something that is not HTTP", async (t) => {
  const { socket } = await serve(t, { "POST /v1/a": async () => ({}) });
  const head = "POST /v1/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\n";
  t.match(await raw(socket, `${head}{"a":`), /^HTTP\/1\.1 400 .*SOCKET_E_PROTOCOL/s);
  t.match(await raw(socket, "hello\r\n\r\n"), /^HTTP\/1\.1 400 /);
  t.match(await raw(socket, "GET //// HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), /^HTTP\/1\.1 404 /);
});

t.test("what is too large is refused before it is read, with a status that says so", async (t) => {
  const limits = { bodyBytes: 10, connections: 8, requestMs: 60_000 };
  const { socket, bugs } = await serve(t, { "POST /v1/a": async () => ({}) }, undefined, { limits });
  const head = "POST /v1/a HTTP/1.1\r\nHost: x\r\n";
  const announced = await raw(socket, `${head}Content-Length: 1000000\r\n\r\n`);
  t.match(announced, /^HTTP\/1\.1 413 .*SOCKET_E_PROTOCOL/s);
  const chunked = await raw(socket, `${head}Transfer-Encoding: chunked\r\n\r\nb\r\n{"a":"12345\r\n`);
  t.match(chunked, /^HTTP\/1\.1 413 .*SOCKET_E_PROTOCOL/s);
  // A client that goes away in the middle of its request is no bug.
  t.match(await raw(socket, `${head}Content-Length: 9\r\n\r\n{`), /^HTTP\/1\.1 400 /);
  t.same(bugs, []);
});

t.test("a server for strangers bounds connections, and how long a request may take", async (t) => {
  const limits = { bodyBytes: 10, connections: 1, requestMs: 50 };
  const { socket } = await serve(t, { "GET /": async () => ({}) }, undefined, { limits });
  const slow = connect(socket);
  let answer = "";
  slow.on("data", (chunk: Buffer) => {
    answer += chunk.toString("utf8");
  });
  slow.write("GET / HTTP/1.1\r\n");
  await once(slow, "connect");
  const second = connect(socket);
  second.on("error", () => undefined).resume();
  await once(second, "close");
  await once(slow, "close");
  t.match(answer, /^HTTP\/1\.1 408 /);
});

t.test("which status an error has, and when to ask again, is up to the server", async (t) => {
  const routes: Record<string, Handler> = {
    "GET /": async () => {
      throw errors.make("TEST_E_SAD", "it is very sad");
    },
  };
  const refusalOf = () => ({ status: 503, retryAfterSeconds: 7 });
  const { socket } = await serve(t, routes, undefined, { refusalOf });
  const text = await raw(socket, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  t.match(text, /^HTTP\/1\.1 503 .*retry-after: 7\r\n.*TEST_E_SAD/is);
});

t.test("an answer that is not JSON is a protocol error", async (t) => {
  const { socket } = await serve(t, {
    "GET /v1/text": async ({ response }) => {
      response.end("hello");
      return streamed;
    },
    "GET /v1/bare": async ({ response }) => {
      response.writeHead(400);
      response.end('{"error":{"message":"no code"}}');
      return streamed;
    },
    "GET /v1/null": async ({ response }) => {
      response.writeHead(500);
      response.end("null");
      return streamed;
    },
  });
  for (const route of ["/v1/text", "/v1/bare", "/v1/null"]) {
    t.equal(
      (await errorOf(callUnix({ path: socket, method: "GET", route }))).code,
      "SOCKET_E_PROTOCOL",
      route,
    );
  }
});

t.test("a streamed answer can be read as it comes; one that is cut short is an error", async (t) => {
  const { socket } = await serve(t, {
    "GET /v1/stream": async ({ response }) => {
      response.write("one ");
      response.end("two");
      return streamed;
    },
    "GET /v1/cut": async ({ response }) => {
      response.write('{"a":', () => response.destroy());
      return streamed;
    },
  });
  const response = await openUnix({ path: socket, method: "GET", route: "/v1/stream" });
  let text = "";
  for await (const chunk of response) text += chunk;
  t.equal(text, "one two");
  const cut = await errorOf(callUnix({ path: socket, method: "GET", route: "/v1/cut" }));
  t.equal(cut.code, "SOCKET_E_UNREACHABLE");
});

t.test("a server that accepts and says nothing is given up after the time allowed", async (t) => {
  const path = join(await directoryFor(t), "s.sock");
  const silent = createServer(() => undefined).listen(path);
  await once(silent, "listening");
  t.teardown(() => silent.close());
  const error = await errorOf(callUnix({ path, method: "GET", route: "/", timeoutMs: 20 }));
  t.equal(error.code, "SOCKET_E_TIMEOUT");
  t.equal(error.exit, exitCode.unreachable);
});

t.test("a path has 107 bytes at most, counted as UTF-8", async (t) => {
  checkSocketPath("x".repeat(maxSocketPathBytes));
  t.throws(() => checkSocketPath("x".repeat(maxSocketPathBytes + 1)), { code: "SOCKET_E_PATH_TOO_LONG" });
  t.throws(() => checkSocketPath("é".repeat(54)), { code: "SOCKET_E_PATH_TOO_LONG" });
  const path = join(await directoryFor(t), "x".repeat(100));
  const served = errorOf(serveUnix({ path, routes: {}, onBug: () => undefined }));
  t.equal((await served).code, "SOCKET_E_PATH_TOO_LONG");
  t.equal((await errorOf(callUnix({ path, method: "GET", route: "/" }))).code, "SOCKET_E_PATH_TOO_LONG");
});

t.test("a path of exactly 107 bytes works", async (t) => {
  const directory = await directoryFor(t);
  const path = join(directory, "x".repeat(maxSocketPathBytes - directory.length - 1));
  await serve(t, { "GET /": async () => ({ ok: true }) }, path);
  t.same(await callUnix({ path, method: "GET", route: "/" }), { ok: true });
});

t.test("nothing at the path, or a file without a server, is unreachable", async (t) => {
  const directory = await directoryFor(t);
  await writeFile(join(directory, "file"), "");
  for (const name of ["gone", "file", "no/such/directory"]) {
    const error = await errorOf(callUnix({ path: join(directory, name), method: "GET", route: "/" }));
    t.equal(error.code, "SOCKET_E_UNREACHABLE", name);
    t.equal(error.exit, exitCode.unreachable, name);
  }
});

t.test("a socket that a living server has is not taken from it", async (t) => {
  const { socket } = await serve(t, { "GET /": async () => ({ first: true }) });
  const second = errorOf(serveUnix({ path: socket, routes: {}, onBug: () => undefined }));
  t.equal((await second).code, "SOCKET_E_IN_USE");
  t.same(await callUnix({ path: socket, method: "GET", route: "/" }), { first: true });
});

t.test("the socket of a server that was killed is replaced", async (t) => {
  const path = join(await directoryFor(t), "s.sock");
  const program = `require("node:net").createServer().listen(process.argv[1], () => console.log("up"))`;
  const child = spawn(process.execPath, ["-e", program, path], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  child.kill("SIGKILL");
  await once(child, "exit");
  t.ok((await stat(path)).isSocket(), "the dead server has left its socket behind");
  await serve(t, { "GET /": async () => ({ ok: true }) }, path);
  t.same(await callUnix({ path, method: "GET", route: "/" }), { ok: true });
});

t.test("a socket is made for its owner alone, in a directory for its owner alone", async (t) => {
  const directory = join(await directoryFor(t), "new");
  await serve(t, {}, join(directory, "s.sock"));
  t.equal((await stat(join(directory, "s.sock"))).mode & 0o777, 0o600);
  t.equal((await stat(directory)).mode & 0o777, 0o700);
});

t.test("a socket that cannot be made says so", async (t) => {
  const directory = await directoryFor(t);
  await writeFile(join(directory, "file"), "");
  await mkdir(join(directory, "directory"));
  for (const path of [join(directory, "file/s.sock"), join(directory, "directory")]) {
    const error = await errorOf(serveUnix({ path, routes: {}, onBug: () => undefined }));
    t.equal(error.code, "SOCKET_E_UNUSABLE", path);
    t.equal(error.where, path);
  }
});

t.test("an upgrade goes to its handler, and is refused where there is none", async (t) => {
  const path = join(await directoryFor(t), "s.sock");
  const seen: string[] = [];
  const server = await serveUnix({
    path,
    routes: {},
    onBug: () => undefined,
    onUpgrade: (protocol, socket, head) => {
      seen.push(protocol, head.toString("utf8"));
      socket.end("HTTP/1.1 101 Switching Protocols\r\n\r\nhello");
    },
  });
  t.teardown(() => server.close());
  const request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: test-1\r\n\r\nearly";
  t.match(await raw(path, request), /hello$/);
  t.same(seen, ["test-1", "early"]);
  const { socket } = await serve(t, {});
  t.match(await raw(socket, request), /^HTTP\/1\.1 426 /);
});

t.test("closing ends the connections and frees the path", async (t) => {
  const { socket, server } = await serve(t, {
    "GET /v1/forever": async ({ response }) => {
      response.write("…");
      return streamed;
    },
  });
  const response = await openUnix({ path: socket, method: "GET", route: "/v1/forever" });
  const ended = new Promise((resolve) => response.once("close", resolve));
  response.on("error", () => undefined).resume();
  await server.close();
  await ended;
  t.equal(
    (await errorOf(callUnix({ path: socket, method: "GET", route: "/" }))).code,
    "SOCKET_E_UNREACHABLE",
  );
});

t.test("a file at the socket's path that is no socket is left alone, and serving fails", async (t) => {
  const path = join(await directoryFor(t), "s.sock");
  await writeFile(path, "somebody's notes");
  const error = await errorOf(serveUnix({ path, routes: {}, onBug: () => {} }));
  t.equal(error.code, "SOCKET_E_UNUSABLE");
  t.equal((await stat(path)).isFile(), true);
});
