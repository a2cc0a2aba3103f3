import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Handler, serveUnix } from "@daruma/base";
import t, { type Test } from "tap";
import { startExporter } from "./exporter.ts";
import { facts, ledgerStatus } from "./fixtures/answers.ts";
import { parseExposition } from "./fixtures/parse.ts";

/** A bug ends the process of the tests. */
const onBug = (error: unknown) => {
  throw error;
};

function scratch(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), "daruma-metrics-"));
  t.teardown(() => rmSync(directory, { recursive: true }));
  return directory;
}

async function daemon(t: Test, path: string, answer: Handler): Promise<{ socket: string; route: string }> {
  const server = await serveUnix({ path, routes: { "GET /v1/status": answer }, onBug });
  t.teardown(() => server.close());
  return { socket: path, route: "/v1/status" };
}

/** Takes connections and says what it is told to, and no more. */
async function mute(t: Test, path: string, says: string): Promise<{ socket: string; route: string }> {
  const sockets = new Set<{ destroy(): void }>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.write(says);
  });
  server.listen(path);
  await once(server, "listening");
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { socket: path, route: "/v1/status" };
}

interface Got {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

async function get(where: object, method = "GET", path = "/metrics"): Promise<Got> {
  const asked = request({ ...where, method, path, agent: false });
  asked.end();
  const [response] = await once(asked, "response");
  let text = "";
  for await (const chunk of response) text += chunk;
  return { status: response.statusCode, type: String(response.headers["content-type"]), text };
}

const ups = (text: string) =>
  parseExposition(text)
    .get("daruma_up")
    ?.samples.map(({ labels, value }) => `${labels.daemon} ${value}`);

t.test("a scrape waits for no daemon that hangs, and says which does not answer", async (t) => {
  const directory = scratch(t);
  const hangs = await mute(t, join(directory, "a"), "");
  const head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{";
  const hangsLater = await mute(t, join(directory, "b"), head);
  const ledgerd = await daemon(t, join(directory, "c"), async () => ledgerStatus);
  const exporter = await startExporter({
    sources: { watchd: hangs, ledgerd, egressd: hangsLater },
    socket: join(directory, "metrics.sock"),
    listen: null,
    disks: ["/", join(directory, "none")],
    withinMs: 100,
    onBug,
  });
  t.teardown(() => exporter.close());
  const { status, type, text } = await get({ socketPath: join(directory, "metrics.sock") });
  t.equal(status, 200);
  t.match(type, /^text\/plain; version=0\.0\.4/);
  t.same(ups(text), ["watchd 0", "ledgerd 1", "egressd 0"]);
  t.match(text, /^daruma_host_filesystem_size_bytes\{path="\/"\} \d+$/m);
});

t.test("daemons are asked once for all who ask at about the same time", async (t) => {
  const directory = scratch(t);
  let asked = 0;
  const watchd = await daemon(t, join(directory, "a"), async () => {
    asked += 1;
    return facts();
  });
  const ledgerd = { socket: join(directory, "none"), route: "/v1/status" };
  const options = { sources: { watchd, ledgerd, egressd: null }, disks: [], onBug, socket: null };
  const exporter = await startExporter({ ...options, listen: { address: "127.0.0.1", port: 0 } });
  t.teardown(() => exporter.close());
  const where = { host: "127.0.0.1", port: exporter.port };
  const all = await Promise.all([1, 2, 3, 4].map(() => get(where)));
  t.same(new Set(all.map(({ text }) => text)).size, 1);
  t.same(ups(all[0]?.text ?? ""), ["watchd 1", "ledgerd 0"]);
  t.equal(asked, 1);
  t.match(await get(where, "HEAD"), { status: 200, text: "" });
  t.match(await get(where, "GET", "/"), { status: 404 });
  t.match(await get(where, "POST"), { status: 405 });
  t.equal(asked, 1);
  const port = exporter.port ?? 0;
  await t.rejects(startExporter({ ...options, listen: { address: "127.0.0.1", port } }), {
    code: "METRICS_E_LISTEN",
  });
});
