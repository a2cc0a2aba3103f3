import { renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import type { State } from "../policy/state.ts";
import { standardSecret } from "../webhooks/test-support.ts";
import { alertRoutes } from "./api.ts";
import { lab, raised, until } from "./fixtures/lab.ts";
import { fakeService } from "./fixtures/servers.ts";
import { alertsManifest } from "./fixtures/world.ts";
import { createSecrets } from "./secrets.ts";

t.test("what waits is sent by the next watchd, once, and the ledger is told of it", async (t) => {
  const { open, generation, hook, entries, fatal } = lab(t);
  const fake = await fakeService(t);
  fake.answer = (response) => response.writeHead(503).end();
  const current = generation("/1", alertsManifest({ sinks: { hook: hook(fake.url) } }));
  const first = open();
  const heard = first.hear("agents", "j1", [raised(1)]);
  t.equal(
    await Promise.race([heard, sleep(20).then(() => "waits")]),
    "waits",
    "nobody knows yet who is to be told",
  );
  await first.follow(current);
  await heard;
  await until(() => fake.requests.length === 1 && first.engine?.state.sinks.hook?.failingSince !== null);
  await first.close();
  t.equal(
    await Promise.race([first.hear("agents", "j1", [raised(2)]), sleep(20).then(() => "waits")]),
    "waits",
  );

  fake.answer = (response) => response.writeHead(204).end();
  const second = open();
  await second.follow(current);
  await second.hear("agents", "j1", [raised(1)]);
  t.match(second.engine?.state.conditions, { "h1/agent/app": { isOpen: true } });
  // The test asks the sink at once; else it would be its turn after some seconds.
  const routes = alertRoutes(second);
  const call = (route: string, body: unknown) =>
    routes[route]?.({ body } as never) as Promise<Record<string, unknown>>;
  await t.rejects(call("POST /v1/alerts/test", { sink: "nobody" }), { code: "WATCHD_E_UNKNOWN_SINK" });
  t.match(await call("POST /v1/alerts/test", { by: "ada" }), {
    results: [{ sink: "hook", state: "sent", kind: "test" }],
  });
  const ids = fake.requests.map(({ headers }) => headers["webhook-id"]);
  t.equal(ids[1], ids[0], "a message keeps its id");
  t.equal(ids.length, 3);
  t.match(await call("GET /v1/alerts", undefined), {
    sinks: [{ name: "hook", state: "ok", waiting: 0, gathered: 0 }],
    open: [{ key: "h1/agent/app", incident: "inc-1" }],
    messages: [{ id: ids[0], state: "sent", attempts: 2 }, { kind: "test" }],
  });
  await second.close();
  t.same(
    entries.map(({ action, subject }) => `${action} ${subject}`),
    ["alert.delayed hook", "alert.restored hook", "alert.sent hook", "alert.sent hook"],
  );
  t.notMatch(JSON.stringify(entries), /whsec_/);
  t.same(fatal, []);
});

t.test("the monitor is asked only as long as watchd does its work", async (t) => {
  const { open, generation, secret } = lab(t);
  const fake = await fakeService(t);
  writeFileSync(secret, `${fake.url}/ping/abcdef-0123456789`);
  const deadMansSwitch = { credential: secret, url: fake.url, everyMs: 1, private: true };
  const alerts = open();
  await alerts.follow(generation("/1", alertsManifest({ more: { deadMansSwitch } })));
  await until(() => alerts.heartbeat.why !== null);
  t.match(alerts.heartbeat, { lastBeatAt: null, why: /does not get on/ });
  t.same(fake.requests, [], "one that has not looked at anything yet is not known to be well");
  alerts.reconciled({ agents: {}, ledgerAway: false } as unknown as State);
  await until(() => alerts.heartbeat.lastBeatAt !== null);
  t.match(fake.requests[0], { method: "GET", url: `${fake.url}/ping/abcdef-0123456789` });
  fake.answer = (response) => response.writeHead(404).end("no such check: /ping/abcdef-0123456789");
  await until(() => alerts.heartbeat.why !== null);
  t.match(alerts.heartbeat.why, /HTTP 404/);
  t.notMatch(alerts.heartbeat.why, /abcdef/);
  await alerts.close();
});

t.test("where there is an egressd, everything goes through it, and nothing around it", async (t) => {
  const { open, generation, hook, directory } = lab(t);
  const fake = await fakeService(t);
  const asked: string[] = [];
  const proxy = createServer();
  let allows = false;
  proxy.on("connect", (incoming, client) => {
    asked.push(String(incoming.url));
    if (!allows) {
      client.end("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
      return;
    }
    const socket = connect(Number(new URL(fake.url).port), "127.0.0.1");
    client.write("HTTP/1.1 200 Connection Established\r\n\r\n");
    client.pipe(socket).pipe(client);
    for (const each of [client, socket]) each.on("error", () => undefined);
  });
  const path = join(directory, "alerts.sock");
  await new Promise<void>((resolve) => proxy.listen(path, resolve));
  t.teardown(() => proxy.close());
  const alerts = open(path);
  await alerts.follow(generation("/1", alertsManifest({ sinks: { hook: hook(fake.url) } })));
  const test = () => alertRoutes(alerts)["POST /v1/alerts/test"]?.({ body: {} } as never) as Promise<object>;
  t.match(await test(), {
    results: [{ state: "waiting", why: /egressd does not connect to 127.0.0.1:\d+: HTTP 403/ }],
  });
  t.same(fake.requests, []);
  allows = true;
  await test();
  await until(() => fake.requests.length === 2);
  t.equal(new Set(asked).size, 1);
  await alerts.close();
});

t.test(
  "a secret is what its file says now, else what systemd has loaded; an empty one is a missing one",
  async (t) => {
    const { directory, secret } = lab(t);
    const gone = join(directory, "gone");
    writeFileSync(join(directory, "alerts.sink.chat"), "");
    writeFileSync(join(directory, "alerts.sink.pager"), "from-systemd\n");
    const secrets = createSecrets(directory);
    t.same(await secrets.read("alerts.sink.pager", gone), { secret: "from-systemd" });
    t.same(await secrets.read("alerts.sink.pager", directory), { secret: "from-systemd" }, "that is no file");
    t.same(await secrets.read("alerts.sink.pager", secret), { secret: standardSecret });
    writeFileSync(`${secret}.new`, "rotated\n");
    renameSync(`${secret}.new`, secret);
    t.same(await secrets.read("alerts.sink.pager", secret), { secret: "rotated" });
    writeFileSync(secret, "");
    t.same(await secrets.read("alerts.sink.pager", secret), { secret: "from-systemd" });
    t.match(await secrets.read("alerts.sink.chat", gone), { problem: /gone is empty or missing/ });
    t.match(await secrets.read("alerts.sink.mail", gone), { problem: /gone cannot be read: ENOENT/ });
    t.match(await createSecrets(null).read("alerts.sink.mail", directory), { problem: /is no file/ });
  },
);
