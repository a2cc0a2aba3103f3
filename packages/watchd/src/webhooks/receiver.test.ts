import { mkdtemp, rm } from "node:fs/promises";
import { request as send } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import t, { type Test } from "tap";
import { Busy, createReceiver, type ReceiverOptions, type Taken, type Told } from "./receiver.ts";
import { Replays } from "./replays.ts";
import { githubHeaders, plainSecret, standardHeaders, standardSecret } from "./test-support.ts";

const body = Buffer.from('{"rows":3}');

interface World {
  readonly port: number;
  readonly taken: Taken[];
  readonly told: Told[];
  restart(): Promise<void>;
}

async function serve(t: Test, change: Partial<ReceiverOptions> = {}): Promise<World> {
  const directory = await mkdtemp(join(tmpdir(), "daruma-hooks-"));
  const path = join(directory, "replays");
  const taken: Taken[] = [];
  const told: Told[] = [];
  const begin = async () => {
    const replays = await Replays.open(path, Date.now());
    const server = createReceiver({
      routes: {
        "/hooks/etl": { scheme: "standard", secrets: async () => [standardSecret], bodyBytes: 1_000 },
        "/hooks/push": { scheme: "github", secrets: async () => [plainSecret], bodyBytes: 20_000 },
        "/hooks/lost": {
          scheme: "github",
          secrets: async () => Promise.reject(new Error("no such file")),
          bodyBytes: 1_000,
        },
      },
      replays,
      take: async (each) => {
        taken.push(each);
      },
      tell: (each) => told.push(each),
      mostBytes: 100_000,
      headersTimeoutMs: 300,
      requestTimeoutMs: 600,
      refusalMs: 0,
      mostConnections: 100,
      now: Date.now,
      ...change,
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const end = async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await replays.close();
    };
    return { port: (server.address() as AddressInfo).port, end };
  };
  let running = await begin();
  t.teardown(async () => {
    await running.end();
    await rm(directory, { recursive: true, force: true });
  });
  return {
    get port() {
      return running.port;
    },
    taken,
    told,
    restart: async () => {
      await running.end();
      running = await begin();
    },
  };
}

interface Post {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly chunks?: readonly Buffer[];
}

/** The whole answer but its date, as text. Without a length in the headers the body is sent in chunks. */
function post(
  { port }: World,
  { path = "/hooks/etl", method = "POST", headers = {}, chunks = [body] }: Post,
) {
  return new Promise<{ readonly status: number; readonly answer: string }>((resolve, reject) => {
    const options = {
      port,
      host: "127.0.0.1",
      path,
      method,
      headers: headers as Record<string, string>,
      agent: false,
    };
    const sent = send(options, (response) => {
      let text = "";
      response.on("data", (chunk) => {
        text += String(chunk);
      });
      response.on("end", () => {
        const { date: _, ...rest } = response.headers;
        resolve({
          status: response.statusCode ?? 0,
          answer: JSON.stringify([response.statusCode, rest, text]),
        });
      });
    });
    sent.on("error", reject);
    for (const chunk of chunks) sent.write(chunk);
    sent.end();
  });
}

const good = (id: string, sent = body) => standardHeaders(id, Math.floor(Date.now() / 1000), sent);

t.test("a good delivery is taken once: again, in other pieces, and after a restart", async (t) => {
  const world = await serve(t);
  const headers = good("msg_1");
  t.equal((await post(world, { headers })).status, 202);
  t.match(world.taken, [{ route: "/hooks/etl", body, id: /^[0-9a-f]{64}$/ }]);
  const pieces = [...body].map((byte) => Buffer.from([byte]));
  t.equal((await post(world, { headers, chunks: pieces })).status, 200);
  await world.restart();
  t.equal((await post(world, { headers })).status, 200);
  t.equal(world.taken.length, 1);
  t.equal(
    (await post(world, { path: "/hooks/etl?from=x", headers: good("msg_2"), chunks: pieces })).status,
    202,
  );
  t.same(
    world.told.map(({ outcome }) => outcome),
    ["taken", "repeated", "repeated", "taken"],
  );
});

t.test("two at once with one id are one run", async (t) => {
  const world = await serve(t);
  const headers = good("msg_1");
  const answers = await Promise.all(Array.from({ length: 8 }, () => post(world, { headers })));
  t.same(answers.map(({ status }) => status).sort(), [200, 200, 200, 200, 200, 200, 200, 202]);
  t.equal(world.taken.length, 1);
});

t.test("GitHub: the same body under another delivery id is the same", async (t) => {
  const world = await serve(t);
  const path = "/hooks/push";
  t.equal((await post(world, { path, headers: githubHeaders("d-1", body) })).status, 202);
  t.equal((await post(world, { path, headers: githubHeaders("d-2", body) })).status, 200);
});

t.test("whatever is refused is refused alike, be it a route or not", async (t) => {
  const world = await serve(t);
  const headers = good("msg_1");
  const flipped = Buffer.from(body);
  flipped[3] = (flipped[3] ?? 0) ^ 1;
  const gzipped = gzipSync(body);
  const long = Buffer.alloc(5_000);
  const future = standardHeaders("msg_1", Math.floor(Date.now() / 1000) + 3_600, body);
  const refusals: readonly (readonly [Told["why"], Post])[] = [
    ["no-route", { path: "/hooks/other", headers }],
    ["no-route", { path: "/hooks/etl/", headers }],
    ["no-route", { path: "/__proto__", headers }],
    ["no-route", { path: "/hooks/other", headers, chunks: [long] }],
    ["method", { method: "PUT", headers }],
    ["signature", { headers, chunks: [flipped] }],
    ["signature", { headers, chunks: [body.subarray(0, 5)] }],
    ["signature", { headers: good("msg_1", gzipped), chunks: [body] }],
    ["encoded", { headers: { ...good("msg_1", gzipped), "content-encoding": "gzip" }, chunks: [gzipped] }],
    ["too-new", { headers: future }],
    ["header-missing", {}],
    ["header-repeated", { headers: { ...headers, "webhook-id": ["msg_1", "msg_1"] } }],
    ["too-long", { headers: good("msg_1", long), chunks: [long] }],
  ];
  const answers = new Set<string>();
  for (const [why, sent] of refusals) {
    const { answer } = await post(world, sent);
    answers.add(answer);
    t.match(world.told.at(-1), { outcome: "refused", why });
  }
  t.same([...answers], [answers.values().next().value], "one answer for all");
  t.match([...answers][0], /^\[404,/);
  t.equal(world.taken.length, 0);
  t.equal(world.told[0]?.route, null, "the path that was tried is not repeated");
});

t.test("a refusal takes its time, whatever the reason; what is taken does not", async (t) => {
  const world = await serve(t, { refusalMs: 150 });
  for (const path of ["/hooks/other", "/hooks/etl"]) {
    const began = performance.now();
    t.equal((await post(world, { path })).status, 404);
    t.ok(performance.now() - began >= 149, path);
  }
  t.equal((await post(world, { headers: good("msg_1") })).status, 202);
});

t.test("a body that is too long for anyone is not read to its end, announced or not", async (t) => {
  const world = await serve(t);
  for (const path of ["/hooks/etl", "/hooks/other"]) {
    const announced = { "content-length": "100001" };
    const { port } = world;
    const status = await rawStatus(port, `POST ${path} HTTP/1.1\r\nhost: x\r\n${header(announced)}\r\n`);
    t.equal(status, "413", `${path}, announced`);
    const asked = await rawStatus(
      port,
      `POST ${path} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n${header(announced)}\r\n`,
    );
    t.equal(asked, "413", `${path}, asked first`);
    const chunk = `8000\r\n${"x".repeat(0x8000)}\r\n`;
    const chunked = `POST ${path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n${chunk.repeat(4)}`;
    t.equal(await rawStatus(port, chunked), "413", `${path}, in chunks`);
  }
  t.ok(world.told.filter(({ why }) => why === "too-long").length >= 4);
});

t.test("who sends slowly, or goes away, holds nothing", async (t) => {
  const world = await serve(t);
  t.equal(await rawStatus(world.port, "POST /hooks/etl HTTP/1.1\r\nhost:"), "408", "slow headers");
  const started = "POST /hooks/etl HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n123";
  t.equal(await rawStatus(world.port, started), "408", "slow body");
  const socket = connect(world.port, "127.0.0.1", () => socket.end(started)).resume();
  await new Promise((resolve) => socket.on("close", resolve));
  t.equal(world.taken.length, 0);
  t.ok(world.told.every(({ outcome }) => outcome === "refused"));
});

t.test("a delivery that cannot be taken is to be tried again, and then it is", async (t) => {
  let wrong: Error | null = new Error("the disk is full");
  const taken: Taken[] = [];
  const world = await serve(t, {
    take: async (each) => {
      if (wrong !== null) throw wrong;
      taken.push(each);
    },
  });
  const headers = good("msg_1");
  t.equal((await post(world, { headers })).status, 503);
  wrong = new Busy("the queue is full");
  t.equal((await post(world, { headers })).status, 503);
  t.match(world.told, [
    { outcome: "failed", why: "internal" },
    { outcome: "refused", why: "busy" },
  ]);
  wrong = null;
  t.equal((await post(world, { headers })).status, 202);
  t.equal(taken.length, 1);
});

t.test("a route whose secrets are gone is not to be seen, and its trouble is told", async (t) => {
  const world = await serve(t);
  t.equal((await post(world, { path: "/hooks/lost", headers: githubHeaders("d-1", body) })).status, 404);
  t.match(world.told, [{ route: "/hooks/lost", outcome: "failed", why: "internal" }]);
});

function header(headers: Readonly<Record<string, string>>): string {
  return Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join("");
}

/** The status of the answer to bytes after which nothing comes. */
function rawStatus(port: number, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
    let text = "";
    const done = () => {
      socket.destroy();
      resolve(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? `closed ${text}`);
    };
    socket.on("data", (chunk) => {
      text += String(chunk);
      done();
    });
    socket.on("error", done);
    socket.on("close", done);
  });
}
