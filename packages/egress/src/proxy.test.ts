import { once } from "node:events";
import { createServer as createHttp } from "node:http";
import { connect as connectHttp2, createServer as createHttp2 } from "node:http2";
import type { Socket } from "node:net";
import t from "tap";
import {
  createLab,
  echo,
  eventually,
  freePort,
  listen,
  listenOn,
  readAll,
  readHead,
} from "./fixtures/lab.ts";

/* The rows of the reference's table that need a proxy: every one against a real egressd, real sockets and a fake DNS. */

const here = ["127.0.0.1"];
const bodyOf = (text: string) => JSON.parse(text.slice(text.indexOf("\r\n\r\n") + 4));

t.test(
  "CONNECT: what is allowed is joined, with half-closed ends; what is not gets a 403 that helps",
  async (t) => {
    const server = await listen(t, echo);
    const lab = await createLab(t, {
      aa: { egress: [{ host: "echo.test", port: server.port, private: true }, "public.test:4430"] },
    });
    lab.dns.answers.set("echo.test", here);
    lab.dns.answers.set("evil.test", here);
    lab.dns.answers.set("public.test", ["93.184.216.34", "10.0.0.1"]);

    const { socket, answer } = await lab.tunnel("aa", `ECHO.test.:${server.port}`);
    t.match(answer, /^HTTP\/1\.1 200 /);
    // The client ends its side first: what is echoed still arrives.
    socket.end("x".repeat(100_000));
    t.equal((await readAll(socket)).length, 100_000);

    const denied = await lab.tunnel("aa", "evil.test:443");
    t.match(denied.answer, /^HTTP\/1\.1 403 Forbidden\r\n/);
    t.match(bodyOf(denied.answer), {
      schemaVersion: 1,
      error: "egress-denied",
      reason: "not-allowed",
      target: "evil.test:443",
      rule: null,
      hint: /Ask the operator to add "evil\.test:443"/,
    });
    t.notOk(lab.dns.asked.includes("evil.test"), "a name that is not allowed is not even looked up");

    const mixed = await lab.tunnel("aa", "public.test:4430");
    t.match(bodyOf(mixed.answer), { reason: "address-not-public", message: /10\.0\.0\.1.*private/ });
    const odd = await lab.tunnel("aa", "echo.test%00:443");
    t.match(odd.answer, /^HTTP\/1\.1 400 /);
    const url = await lab.tunnel("aa", `http://echo.test:${server.port}`);
    t.match(url.answer, /^HTTP\/1\.1 400 /);

    await eventually("the ledger knows", () => lab.entries.some(({ action }) => action === "egress.connect"));
    t.match(
      lab.entries.find(({ action }) => action === "egress.deny"),
      {
        subject: "aa",
        details: { target: "evil.test:443", reason: "not-allowed", via: "connect", times: 1 },
      },
    );
    t.match(
      lab.entries.find(({ action }) => action === "egress.connect"),
      {
        subject: "aa",
        details: {
          target: `echo.test:${server.port}`,
          connections: 1,
          sentBytes: 100_000,
          receivedBytes: 100_000,
        },
      },
    );
    t.notMatch(JSON.stringify(lab.entries), /xxx/, "what was said is in no entry");
  },
);

t.test("one lookup for a connection: what was judged is what is dialled", async (t) => {
  const server = await listen(t, (socket) => socket.end("the judged one"));
  const lab = await createLab(t, {
    aa: {
      egress: [
        "rebind.test:80",
        { cidr: "127.0.0.1/32", port: server.port },
        { host: "rebind.test", port: server.port },
      ],
    },
  });
  lab.dns.answers.set("rebind.test", (time) => (time === 0 ? here : ["127.0.0.2"]));
  const first = await lab.tunnel("aa", `rebind.test:${server.port}`);
  t.match(first.answer, / 200 /);
  t.equal(await readAll(first.socket), "the judged one");
  t.same(lab.dns.asked, ["rebind.test"]);
  const second = await lab.tunnel("aa", `rebind.test:${server.port}`);
  t.match(bodyOf(second.answer), { reason: "address-not-public" });
  t.equal(server.sockets.length, 1);
});

t.test("back into the proxy leads no way, whatever the rules say", async (t) => {
  const lab = await createLab(t, { aa: { egress: [] }, bb: { egress: [] } });
  for (const mode of ["enforce", "observe"] as const) {
    const egress = ["aa", "bb"].map((name) => ({ cidr: "127.0.0.0/8", port: lab.port(name) }));
    await lab.setAgents({ aa: { egress, mode }, bb: { egress: [] } });
    for (const target of ["aa", "bb"]) {
      const { answer } = await lab.tunnel("aa", `127.0.0.1:${lab.port(target)}`);
      t.match(bodyOf(answer), { reason: "proxy-itself" }, `${mode} ${target}`);
    }
  }
});

t.test(
  "plain HTTP: each request is judged by its own URI, and the Host header counts for nothing",
  async (t) => {
    const seen: string[] = [];
    const upstream = createHttp((request, response) => {
      let body = "";
      request.on("data", (chunk) => {
        body += String(chunk);
      });
      request.on("end", () => {
        seen.push(
          `${request.method} ${request.url} ${request.headers.host} ${JSON.stringify(request.headers)} ${body}`,
        );
        if (request.url === "/redirect") response.writeHead(302, { location: "http://evil.test/" }).end();
        else
          response
            .writeHead(200, { "x-up": "1", connection: "close, x-drop", "x-drop": "1" })
            .end(`for ${request.url}`);
      });
    });
    const port = await listenOn(t, upstream);
    const rule = { host: "web.test", port, private: true };
    const lab = await createLab(t, {
      aa: { egress: [rule, { host: "tls.test", port, private: true, protocol: "tls" }] },
    });
    for (const name of ["web.test", "tls.test", "evil.test"]) lab.dns.answers.set(name, here);

    const client = await lab.client("aa");
    const ask = async (lines: string) => {
      client.write(lines);
      const head = await readHead(client);
      return head;
    };
    const first = await ask(
      `POST http://WEB.test:${port}/a%2Fb?q HTTP/1.1\r\nHost: evil.test\r\nProxy-Authorization: Basic xxx\r\nConnection: keep-alive, X-Secret\r\nX-Secret: 1\r\nX-Kept: 1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`,
    );
    t.match(first, /^HTTP\/1\.1 200 OK\r\n/);
    t.match(first, /x-up: 1/i);
    t.notMatch(first, /x-drop/i);
    t.match(seen[0], new RegExp(`^POST /a%2Fb\\?q web\\.test:${port} .*"x-kept":"1".* abc$`));
    t.notMatch(seen[0] ?? "", /secret|proxy-|evil/i);
    await eventually("the body is there", () => client.readableLength > 0);
    client.read();
    // The same connection, another host.
    const second = await ask(`GET http://evil.test:${port}/ HTTP/1.1\r\nHost: web.test:${port}\r\n\r\n`);
    t.match(second, /^HTTP\/1\.1 403 /);
    t.equal(seen.length, 1);

    const request = (target: string) => lab.exchange("aa", `GET ${target} HTTP/1.0\r\n\r\n`);
    t.match(await request(`http://web.test:${port}/redirect`), /302 .*location: http:\/\/evil\.test\//is);
    t.match(await request(`http://user:pw@web.test:${port}`), /200 OK.*for \/$/s);
    t.match(bodyOf(await request(`http://tls.test:${port}/`)), { reason: "wrong-protocol" });
    t.match(bodyOf(await request(`https://web.test:${port}/`)), {
      reason: "invalid-target",
      message: /CONNECT/,
    });
    t.match(bodyOf(await request("/etc/passwd")), { reason: "invalid-target" });
    t.match(await lab.exchange("aa", "nonsense\r\n\r\n"), /^HTTP\/1\.1 400 /);
    const smuggled = `POST http://web.test:${port}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET http://evil.test/ HTTP/1.1\r\n\r\n`;
    t.match(await lab.exchange("aa", smuggled), /^HTTP\/1\.1 400 /);
    // A WebSocket in plain HTTP is an upgrade of the hop, which a proxy does not pass on.
    const upgrade = `GET http://web.test:${port}/up HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n`;
    const socket = await lab.client("aa");
    socket.write(upgrade);
    t.match(await readHead(socket), /^HTTP\/1\.1 200 /);
    t.notMatch(seen.at(-1) ?? "", /websocket/);
  },
);

t.test("a connection that is kept for many requests gathers nothing", async (t) => {
  const port = await listenOn(
    t,
    createHttp((_, response) => response.end("hello")),
  );
  const lab = await createLab(t, { aa: { egress: [{ host: "web.test", port, private: true }] } });
  lab.dns.answers.set("web.test", here);
  const warnings: Error[] = [];
  const note = (warning: Error) => warnings.push(warning);
  process.on("warning", note);
  t.teardown(() => process.off("warning", note));
  const client = await lab.client("aa");
  for (let request = 0; request < 15; request += 1) {
    client.write(`GET http://web.test:${port}/ HTTP/1.1\r\nHost: x\r\n\r\n`);
    t.match(await readHead(client), /^HTTP\/1\.1 200 /);
    await eventually("the body is there", () => client.readableLength > 0);
    client.read();
  }
  // Node warns of the eleventh listener of a kind; readHead leaves some on the client's side.
  const ours = warnings.filter((warning) => Reflect.get(warning, "emitter") !== client);
  t.same(
    ours.map(({ message }) => message),
    [],
  );
});

t.test("WebSocket and HTTP/2 pass through CONNECT", async (t) => {
  const web = createHttp();
  web.on("upgrade", (_request, socket: Socket) => {
    socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
    echo(socket);
  });
  const http2 = createHttp2((_request, response) => response.end("h2"));
  const [webPort, http2Port] = [await listenOn(t, web), await listenOn(t, http2)];
  const egress = [webPort, http2Port].map((port) => ({ host: "web.test", port, private: true }));
  const lab = await createLab(t, { aa: { egress } });
  lab.dns.answers.set("web.test", here);

  const websocket = await lab.tunnel("aa", `web.test:${webPort}`);
  websocket.socket.write(
    "GET / HTTP/1.1\r\nHost: web.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
  );
  t.match(await readHead(websocket.socket), /^HTTP\/1\.1 101 /);
  websocket.socket.write("\x81\x02hi", "latin1");
  const [frame] = (await once(websocket.socket, "data")) as [Buffer];
  t.equal(frame.toString("latin1"), "\x81\x02hi");

  const { socket } = await lab.tunnel("aa", `web.test:${http2Port}`);
  const session = connectHttp2("http://web.test", { createConnection: () => socket });
  const stream = session.request({ ":path": "/" });
  t.equal(String((await once(stream, "data"))[0]), "h2");
  session.close();
});

t.test("SOCKS 5 by name and by address, on the same port", async (t) => {
  const server = await listen(t, echo);
  const lab = await createLab(t, {
    aa: {
      egress: [
        { host: "echo.test", port: server.port, private: true },
        { cidr: "127.0.0.1/32", port: server.port },
        { host: "down.test", port: 1, private: true },
      ],
    },
  });
  lab.dns.answers.set("echo.test", here);
  lab.dns.answers.set("down.test", here);
  const socks = async (type: number, host: Buffer, port: number, command = 1) => {
    const socket = await lab.client("aa");
    const tail = Buffer.from([port >> 8, port & 255]);
    // All in one piece, and what is sent ahead of the answer arrives too.
    socket.write(
      Buffer.concat([Buffer.from([5, 2, 0, 2, 5, command, 0, type]), host, tail, Buffer.from("early")]),
    );
    socket.end();
    const bytes = Buffer.from(await readAll(socket), "latin1");
    t.same([...bytes.subarray(0, 3)], [5, 0, 5]);
    return [bytes[3], bytes.subarray(12).toString()];
  };
  const named = (name: string) => Buffer.concat([Buffer.from([name.length]), Buffer.from(name)]);
  t.same(await socks(3, named("Echo.Test"), server.port), [0, "early"]);
  t.same(await socks(1, Buffer.from([127, 0, 0, 1]), server.port), [0, "early"]);
  t.same(await socks(4, Buffer.from("00000000000000000000ffff7f000001", "hex"), server.port), [0, "early"]);
  t.same(await socks(3, named("2130706433"), server.port), [0, "early"], "the normal form is what counts");
  t.same(await socks(3, named("evil.test"), server.port), [2, ""]);
  t.same(await socks(1, Buffer.from([10, 0, 0, 1]), 80), [2, ""]);
  t.same(await socks(3, named("down.test"), 1), [5, ""]);
  t.same(await socks(1, Buffer.from([1, 2, 3, 4]), 80, 2), [7, ""], "no BIND");
  t.same(await socks(9, Buffer.from([1, 2, 3, 4]), 80), [8, ""]);
  const login = await lab.exchange("aa", Buffer.from([5, 1, 2]));
  t.same([...Buffer.from(login, "latin1")], [5, 255], "the port is the identity: there is no login");
});

t.test("a forward leads to one host and port, without any protocol", async (t) => {
  const server = await listen(t, echo);
  const forward = await freePort();
  const egress = [{ host: "db.test", port: server.port, private: true, protocol: "postgres", forward }];
  const lab = await createLab(t, { aa: { egress } });
  lab.dns.answers.set("db.test", here);
  t.equal(lab.egressd.status().agents.aa?.listening, true);
  const { connect } = await import("node:net");
  const ask = async (bytes: Buffer) => {
    const socket = connect({ port: forward, host: "127.0.0.1", allowHalfOpen: true });
    socket.on("error", () => undefined);
    socket.end(bytes);
    return Buffer.from(await readAll(socket), "latin1");
  };
  const sslRequest = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);
  const startup = Buffer.concat([Buffer.from([0, 0, 0, 17, 0, 3, 0, 0]), Buffer.from("user\0me\0\0")]);
  t.same(await ask(sslRequest), sslRequest);
  t.same(await ask(startup), startup);
  t.equal((await ask(Buffer.from("GET / HTTP/1.1\r\n\r\n"))).length, 0, "what is no PostgreSQL gets nowhere");
  t.match(
    lab.entries.find(({ action }) => action === "egress.deny"),
    { details: { reason: "wrong-protocol", via: "forward" } },
  );
});
