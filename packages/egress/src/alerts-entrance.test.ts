import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls, createServer as createTls } from "node:tls";
import { authority } from "@daruma/base/test-support";
import { type AlertsManifest, alertsSocketName, decodeFleet } from "@daruma/config";
import t, { type Test } from "tap";
import { AlertsEntrance } from "./alerts-entrance.ts";
import { defaultTimes } from "./door.ts";
import { Resolver } from "./resolver.ts";

/** What a fleet file says of alerts, as a manifest has it. */
function alertsOf(sinks: object): AlertsManifest {
  const decoded = decodeFleet({ hosts: { h: { system: "x86_64-linux", agents: {}, alerts: { sinks } } } });
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  return decoded.fleet.hosts.h?.alerts as AlertsManifest;
}

async function portOf(t: Test, server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** @param hosts as in /etc/hosts; everything else is asked of a name server that does not answer */
function lab(t: Test, hosts = "") {
  const directory = mkdtempSync(join(tmpdir(), "degra-"));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const hostsFile = join(directory, "hosts");
  writeFileSync(hostsFile, hosts);
  const subjects: string[] = [];
  const told: string[] = [];
  const entrance = new AlertsEntrance(
    join(directory, "egressd.sock"),
    {
      resolver: new Resolver({ servers: ["127.0.0.1:9"], hostsFile, timeoutMs: 200 }),
      recorder: {
        denied: ({ agent }) => void subjects.push(`denied ${agent}`),
        connected: ({ agent }) => void subjects.push(`connected ${agent}`),
        failed: () => undefined,
      },
      upstreams: { failed: (agent) => void told.push(agent), reached: () => undefined },
      ownPorts: () => new Set(),
      times: defaultTimes,
    },
    () => undefined,
  );
  t.teardown(() => entrance.close());
  return { entrance, path: join(directory, alertsSocketName), subjects, told };
}

t.test("the way out for alerts leads to the declared sinks and nowhere else", async (t) => {
  const port = await portOf(
    t,
    createServer((socket) => socket.end("hello")),
  );
  const { entrance, path, subjects, told } = lab(t);
  const ask = async (target: string) => {
    const socket = connect(path);
    socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
    let said = "";
    for await (const chunk of socket) said += chunk;
    return said;
  };

  await entrance.follow(null);
  t.notOk(existsSync(path), "where nobody is told there is no way out");
  const hook = { kind: "webhook", url: `http://127.0.0.1:${port}/x`, credential: "/run/secrets/hook" };
  await entrance.follow(alertsOf({ hook, chat: { kind: "slack", credential: "/run/secrets/slack" } }));
  t.equal(statSync(path).mode & 0o777, 0o600);
  t.match(await ask(`127.0.0.1:${port}`), /^HTTP\/1\.1 200 .*hello$/s);
  t.match(await ask("127.0.0.1:22"), /^HTTP\/1\.1 403 /);
  t.match(await ask("evil.example.com:443"), /^HTTP\/1\.1 403 /);
  t.match(await ask("hooks.slack.com:25"), /^HTTP\/1\.1 403 /);
  t.match(await ask("hooks.slack.com:443"), /^HTTP\/1\.1 50/, "it may; no name server answers here");
  t.same([...new Set(subjects)].sort(), ["connected @alerts", "denied @alerts"]);
  t.same(told, [], "it says nothing about the upstreams of agents");

  await entrance.follow(alertsOf({ chat: { kind: "slack", credential: "/run/secrets/slack" } }));
  t.match(await ask(`127.0.0.1:${port}`), /^HTTP\/1\.1 403 /, "another generation has other sinks");
  await entrance.follow(null);
  await t.rejects(ask(`127.0.0.1:${port}`));
});

t.test(
  "TLS goes through it, from the start only with the name of the sink, and after a talk in the clear",
  async (t) => {
    const authorityOfTests = authority("Ours");
    const { key, certificate } = authorityOfTests.issue("sink.test");
    const identity = { key: key.export({ type: "pkcs8", format: "pem" }), cert: certificate };
    const tls = createTls(identity, (socket) => socket.on("error", () => undefined).end("hello over TLS"));
    const secure = await portOf(
      t,
      tls.on("tlsClientError", () => undefined),
    );
    const mail = await portOf(
      t,
      createServer((socket) => socket.on("data", () => socket.end("220 go on")).write("220 mail")),
    );
    const { entrance, path } = lab(t, "127.0.0.1 sink.test\n");
    await entrance.follow(
      alertsOf({
        hook: { kind: "webhook", url: `https://sink.test:${secure}`, credential: "/x", private: true },
        mail: { kind: "email", url: `smtp://sink.test:${mail}`, from: "a@b.c", to: ["d@e.f"], private: true },
      }),
    );
    const tunnel = async (port: number) => {
      const socket = connect(path);
      socket.write(`CONNECT sink.test:${port} HTTP/1.1\r\nHost: sink.test:${port}\r\n\r\n`);
      const [answer] = await once(socket, "data");
      t.match(String(answer), /^HTTP\/1\.1 200 /);
      return { socket, rest: String(answer).split("\r\n\r\n")[1] ?? "" };
    };
    const over = async (servername: string) => {
      const { socket } = await tunnel(secure);
      let said = "";
      for await (const chunk of connectTls({ socket, servername, ca: authorityOfTests.certificate }))
        said += chunk;
      return said;
    };
    t.equal(await over("sink.test"), "hello over TLS");
    await t.rejects(over("other.test"), "another name than that of the tunnel is cut off");
    const { socket, rest } = await tunnel(mail);
    let said = rest;
    if (said === "") said += (await once(socket, "data"))[0];
    t.equal(said, "220 mail", "the server speaks first");
    socket.write("STARTTLS\r\n");
    t.equal(String((await once(socket, "data"))[0]), "220 go on");
    socket.destroy();
  },
);
