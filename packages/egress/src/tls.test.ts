import { once } from "node:events";
import type { Socket } from "node:net";
import t from "tap";
import { maxHelloBytes, readClientHello } from "./client-hello.ts";
import { createLab, echo, eventually, listen, listenOn, readAll } from "./fixtures/lab.ts";
import {
  connect as connectTls,
  createServer as createTls,
  helloOf,
  type PskTlsOptions,
} from "./fixtures/tls.ts";

const here = ["127.0.0.1"];

t.test("a ClientHello is read in whatever pieces it comes", async (t) => {
  const hello = await helloOf("api.example.com");
  t.same(readClientHello(hello), { kind: "hello", name: "api.example.com" });
  for (let length = 0; length < hello.length; length += 1) {
    t.equal(readClientHello(hello.subarray(0, length)).kind, "incomplete", String(length));
  }
  // The same message over many records (RFC 8446 5.1), and with more behind it.
  const message = hello.subarray(5);
  const records = Array.from({ length: Math.ceil(message.length / 7) }, (_, index) => {
    const part = message.subarray(index * 7, index * 7 + 7);
    return Buffer.concat([Buffer.from([22, 3, 1, 0, part.length]), part]);
  });
  t.same(readClientHello(Buffer.concat([...records, Buffer.from("more")])), {
    kind: "hello",
    name: "api.example.com",
  });
  t.same(readClientHello(await helloOf(undefined)), { kind: "hello", name: null });
});

t.test("what is no ClientHello is known at the first wrong byte", async (t) => {
  const hello = await helloOf("api.example.com");
  const changed = (at: number, value: number) => {
    const copy = Buffer.from(hello);
    copy[at] = value;
    return readClientHello(copy).kind;
  };
  for (const text of ["GET / HTTP/1.1\r\n", "SSH-2.0-x", "\x16\x02", "\x80\x2e\x01"]) {
    t.equal(readClientHello(Buffer.from(text, "latin1")).kind, "other", text);
  }
  t.equal(changed(5, 2), "other", "another handshake message");
  t.equal(changed(6, 1), "other", "longer than any");
  t.equal(readClientHello(Buffer.from([22, 3, 1, 0, 0])).kind, "other", "an empty record");
  t.equal(readClientHello(Buffer.from([22, 3, 1, 0xff, 0xff])).kind, "other", "a record that is too long");
  const name = hello.indexOf("api.example.com");
  t.equal(changed(name - 2, 9), "other", "a length that leads beyond the end");
  t.equal(changed(name - 3, 1), "other", "a name of another type");
  // A second server_name: which of the two would the server take?
  const extension = hello.subarray(name - 9, name + 15);
  const doubled = Buffer.concat([hello, extension]);
  const grow = (offset: number, width: number) => {
    doubled.writeUIntBE(doubled.readUIntBE(offset, width) + extension.length, offset, width);
  };
  grow(3, 2);
  grow(6, 3);
  const sessionEnd = 5 + 4 + 2 + 32 + 1 + (hello[43] ?? 0);
  const ciphersEnd = sessionEnd + 2 + hello.readUInt16BE(sessionEnd);
  grow(ciphersEnd + 1 + (hello[ciphersEnd] ?? 0), 2);
  t.equal(readClientHello(doubled).kind, "other", "two names");
});

t.test("the name in TLS is the name of the tunnel", async (t) => {
  const server = await listen(t, echo);
  const rule = { host: "api.test", port: server.port, private: true, protocol: "tls" };
  const lab = await createLab(t, {
    aa: { egress: [rule, { cidr: "127.0.0.1/32", port: server.port }] },
    watched: { egress: [rule], mode: "observe" },
  });
  lab.dns.answers.set("api.test", here);
  const target = `api.test:${server.port}`;
  const through = async (bytes: Buffer, to = target, agent = "aa") => {
    const { socket } = await lab.tunnel(agent, to);
    socket.end(bytes);
    return Buffer.from(await readAll(socket), "latin1");
  };
  const [right, wrong, none] = [
    await helloOf("API.test"),
    await helloOf("evil.test"),
    await helloOf(undefined),
  ];
  const alert = [21, 3, 3, 0, 2, 2, 49];
  t.same(await through(right), right, "passed on byte for byte");
  t.same([...(await through(wrong))], alert);
  t.same([...(await through(none))], alert);
  t.same([...(await through(Buffer.from("GET / HTTP/1.1\r\n\r\n")))], alert);
  t.same([...(await through(right.subarray(0, 20)))], alert, "one that stops in the middle");
  t.same([...(await through(Buffer.alloc(0)))], [], "one that says nothing has done nothing");
  t.same(await through(wrong, `127.0.0.1:${server.port}`), wrong, "an address has no name to be held to");
  t.same(await through(wrong, target, "watched"), wrong, "observed, not refused");
  await eventually(
    "the ledger knows",
    () => lab.entries.filter(({ action }) => /deny/.test(action)).length >= 4,
  );
  const told = lab.entries.map(({ action, details }) => `${action} ${String(details.reason)}`);
  for (const entry of [
    "egress.deny sni-mismatch",
    "egress.deny sni-missing",
    "egress.deny wrong-protocol",
    "egress.would-deny sni-mismatch",
  ]) {
    t.ok(told.includes(entry), entry);
  }

  // Byte by byte, and the server speaks before the client has said enough.
  const greeter = await listen(t, (socket) => {
    socket.write("hello from the server");
    echo(socket);
  });
  await lab.setAgents({ aa: { egress: [{ ...rule, port: greeter.port }] } });
  const { socket } = await lab.tunnel("aa", `api.test:${greeter.port}`);
  const [greeting] = (await once(socket, "data")) as [Buffer];
  t.equal(String(greeting), "hello from the server");
  for (const byte of right.subarray(0, 40)) socket.write(Buffer.from([byte]));
  socket.end(right.subarray(40));
  t.same(Buffer.from(await readAll(socket), "latin1"), right);
  const endless = Buffer.alloc(maxHelloBytes + 10, 1);
  for (let at = 0; at < endless.length; at += 16_389) endless.set([22, 3, 1, 0x40, 0], at);
  endless.set([1, 0, 0xff, 0xff], 5);
  const { socket: flooding } = await lab.tunnel("aa", `api.test:${greeter.port}`);
  flooding.end(endless);
  t.equal(
    await readAll(flooding),
    "hello from the server",
    "more than any ClientHello has, and no alert after the server's words",
  );
});

t.test("a real TLS session goes through, end to end", async (t) => {
  const server = createTls((socket) => socket.end("secret"));
  const port = await listenOn(t, server);
  const lab = await createLab(t, {
    aa: { egress: [{ host: "api.test", port, private: true, protocol: "tls" }] },
  });
  lab.dns.answers.set("api.test", here);
  const session = async (servername: string): Promise<string> => {
    const { socket } = await lab.tunnel("aa", `api.test:${port}`);
    const options: PskTlsOptions = { socket: socket as Socket, servername };
    const secure = connectTls(options);
    let text = "";
    secure.on("data", (chunk: Buffer) => {
      text += String(chunk);
    });
    const { promise, resolve } = Promise.withResolvers<string>();
    secure.on("end", () => resolve(text));
    secure.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    return promise;
  };
  t.equal(await session("api.test"), "secret");
  t.match(await session("other.test"), /ACCESS_DENIED/, "the client is told in its own language");
});
