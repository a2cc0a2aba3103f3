import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AlertsManifest, alertsSocketName, decodeFleet, type HostManifest } from "@daruma/config";
import t from "tap";
import { AlertsEntrance } from "./alerts-entrance.ts";
import { defaultTimes } from "./door.ts";
import { Resolver } from "./resolver.ts";

/** What a fleet file says of alerts, as a manifest has it. */
function manifestOf(sinks: object): HostManifest {
  const decoded = decodeFleet({ hosts: { h: { system: "x86_64-linux", agents: {}, alerts: { sinks } } } });
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  return { alerts: decoded.fleet.hosts.h?.alerts as AlertsManifest } as HostManifest;
}

t.test("the way out for alerts leads to the declared sinks and nowhere else", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "degra-"));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const server = createServer((socket) => socket.end("hello"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const subjects: string[] = [];
  const told: string[] = [];
  const entrance = new AlertsEntrance(
    join(directory, "egressd.sock"),
    {
      resolver: new Resolver({ servers: ["127.0.0.1:9"], hostsFile: "/dev/null", timeoutMs: 200 }),
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
  const path = join(directory, alertsSocketName);
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
  await entrance.follow(manifestOf({ hook, chat: { kind: "slack", credential: "/run/secrets/slack" } }));
  t.equal(statSync(path).mode & 0o777, 0o600);
  t.match(await ask(`127.0.0.1:${port}`), /^HTTP\/1\.1 200 .*hello$/s);
  t.match(await ask("127.0.0.1:22"), /^HTTP\/1\.1 403 /);
  t.match(await ask("evil.example.com:443"), /^HTTP\/1\.1 403 /);
  t.match(await ask("hooks.slack.com:25"), /^HTTP\/1\.1 403 /);
  t.match(await ask("hooks.slack.com:443"), /^HTTP\/1\.1 50/, "it may; no name server answers here");
  t.same([...new Set(subjects)].sort(), ["connected @alerts", "denied @alerts"]);
  t.same(told, [], "it says nothing about the upstreams of agents");

  await entrance.follow(manifestOf({ chat: { kind: "slack", credential: "/run/secrets/slack" } }));
  t.match(await ask(`127.0.0.1:${port}`), /^HTTP\/1\.1 403 /, "another generation has other sinks");
  await entrance.follow(null);
  await t.rejects(ask(`127.0.0.1:${port}`));
});
