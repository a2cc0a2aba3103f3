import { type AddressInfo, createServer } from "node:net";
import t, { type Test } from "tap";
import { freePort } from "./fixtures/lab.ts";
import { checkPort, loopbackTargets } from "./port-check.ts";

async function occupied(t: Test, host: string): Promise<number> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

t.test("URLs that lead to this machine are recognised in every spelling", async (t) => {
  const cases: Readonly<Record<string, readonly string[]>> = {
    "http://127.0.0.1:81/health": ["127.0.0.1"],
    "http://127.1:81/": ["127.0.0.1"],
    "http://127.9.8.7:81/": ["127.9.8.7"],
    "http://2130706433:81/": ["127.0.0.1"],
    "http://localhost:81/": ["127.0.0.1", "::1"],
    "http://LOCALHOST:81/": ["127.0.0.1", "::1"],
    "http://agent.localhost:81/": ["127.0.0.1", "::1"],
    "http://[::1]:81/": ["::1"],
    "http://[0:0:0:0:0:0:0:1]:81/": ["::1"],
    "http://[::ffff:127.0.0.1]:81/": ["127.0.0.1"],
    "http://[::ffff:127.1.2.3]:81/": ["127.1.2.3"],
    "http://0.0.0.0:81/": ["127.0.0.1"],
    "http://[::]:81/": ["::1"],
    "http://10.0.0.1:81/": [],
    "http://example.com:81/": [],
    "http://127.0.0.1.example.com:81/": [],
    "http://[::ffff:10.0.0.1]:81/": [],
    "http://[fe80::1]:81/": [],
    nonsense: [],
  };
  for (const [url, hosts] of Object.entries(cases)) {
    t.same(
      loopbackTargets(url),
      hosts.map((host) => ({ host, port: 81 })),
      url,
    );
  }
});

t.test("a URL without a port means its scheme's", async (t) => {
  t.same(loopbackTargets("http://127.0.0.1/"), [{ host: "127.0.0.1", port: 80 }]);
  t.same(loopbackTargets("https://127.0.0.1/"), [{ host: "127.0.0.1", port: 443 }]);
});

t.test("a port that somebody serves is refused, a free one is not", async (t) => {
  const port = await occupied(t, "127.0.0.1");
  for (const host of ["127.0.0.1", "localhost", "0.0.0.0"]) {
    t.match(await checkPort("a", `http://${host}:${port}/health`), { code: "AGENT_E_PORT_IN_USE" });
  }
  t.equal(await checkPort("a", `http://127.0.0.1:${await freePort()}/health`), null);
  t.equal(await checkPort("a", `http://localhost:${await freePort()}/health`), null);
});

t.test("a port of another machine is not looked at", async (t) => {
  t.equal(await checkPort("a", "http://192.0.2.1:80/health"), null);
});
