import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import t from "tap";
import { createFleet } from "../test-support/fleet.ts";
import { startHere } from "../test-support/run-here.ts";
import { describeAlerts } from "./alert.ts";
import { commandTable } from "./table.ts";

t.test("a failing routine is told through egressd, and a person tries the sinks", async (t) => {
  const got: { readonly type: string; readonly data: { readonly title: string } }[] = [];
  let status = 204;
  const server = createServer(async (incoming, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    got.push(JSON.parse(Buffer.concat(chunks).toString()));
    response.writeHead(status).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;

  const fleet = await createFleet(t);
  const secret = join(fleet.directory, "secret");
  await writeFile(secret, `whsec_${Buffer.alloc(32, 3).toString("base64")}\n`);
  await fleet.writeConfig({
    host: `alerts: { sinks: {
      hook: { kind: "webhook", url: "http://127.0.0.1:${port}/a", credential: ${JSON.stringify(secret)} },
      lost: { kind: "slack", credential: "/nonexistent/secret", fallback: "hook" },
    }, to: ["hook"] },
    routines: { broken: { command: ["/bin/sh", "-c", "exit 78"] } },`,
  });
  const dev = fleet.dev();
  await dev.saw("deployed");
  const place = { cwd: fleet.directory, environment: { ...fleet.environment, SUDO_USER: "ada" } };
  const run = (...argv: string[]) => startHere(commandTable, argv, place).ended;

  t.match(await run("alert", "test", "nobody"), { code: 4, stderr: /WATCHD_E_UNKNOWN_SINK.*hook, lost/s });
  t.match(await run("alert", "test", "hook"), { code: 0, stdout: "hook: sent\n" });
  t.match(got, [{ type: "alert.test" }]);
  const all = await run("alert", "test", "--json");
  t.equal(all.code, 3, "one of them has no secret");
  t.match(JSON.parse(all.stdout).results, [
    { sink: "hook", state: "sent" },
    { sink: "lost", state: "waiting", why: /\/nonexistent\/secret cannot be read: ENOENT/ },
  ]);

  status = 500;
  t.equal((await run("routine", "run", "broken", "--wait")).code, 3);
  await dev.saw("alert.delayed", ({ entry }) => entry.subject === "hook");
  const list = await run("alert", "list");
  t.equal(list.code, 3);
  t.match(list.stdout, /hook +webhook +failing +1 +HTTP 500/);
  t.match(list.stdout, /\/routine\/broken\/failure +error/);
  status = 204;
  await run("alert", "test", "hook");
  await dev.saw("alert.sent", ({ entry }) => String(entry.details.key).includes("broken"));
  t.ok(got.some(({ type, data }) => type === "alert.open" && data.title.startsWith("broken has failed")));
  dev.child.kill("SIGINT");
  t.equal((await dev.ended).code, 130);
  await dev.saw("egress.connect", ({ entry }) => entry.subject === "@alerts");
});

t.test("a list tells what people have to know", async (t) => {
  const plain = (_: unknown, text: string) => text;
  const none = { schemaVersion: 1, sinks: [], deadMansSwitch: null, open: [], messages: [] } as const;
  t.same(describeAlerts(none, plain), ["nobody is told of anything: there are no sinks"]);
  const dead = { lastBeatAt: null, why: "the monitor is away" };
  t.same(describeAlerts({ ...none, deadMansSwitch: dead }, plain), [
    "dead man's switch: last asked for not yet; the monitor is away",
  ]);
  const sink = { name: "chat", kind: "slack", state: "failing", waiting: 5, gathered: 5_000 } as const;
  const lines = describeAlerts({ ...none, sinks: [{ ...sink, why: "HTTP 500", unlisted: 1_234 }] }, plain);
  t.match(lines[1], /chat +slack +failing +6239 +HTTP 500; 1234 of them only counted$/);
});
