import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer as createHttp } from "node:http";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { join } from "node:path";
import t, { type Test } from "tap";
import { documents, eventually, scratchDirectory } from "../test-support/agentctl.ts";
import { serveLedger } from "../test-support/ledger.ts";
import { startHere } from "../test-support/run-here.ts";
import { ledgerStreamCommand } from "./ledger-stream-command.ts";

async function setUp(t: Test) {
  const cwd = scratchDirectory(t);
  const ledger = await serveLedger(t, cwd);
  const place = { cwd, environment: { XDG_RUNTIME_DIR: cwd, OTEL_EXPORTER_OTLP_HEADERS: "x-key=s3cret" } };
  const start = (...argv: string[]) => startHere([ledgerStreamCommand], ["ledger", "stream", ...argv], place);
  const cursor = (): number => JSON.parse(readFileSync(join(cwd, "cursor"), "utf8")).seq;
  return { cwd, ledger, start, cursor };
}

const seqs = (text: string) => documents(text).map(({ seq }) => seq);

t.test("what is new since the last time is written once, and a foreign cursor is refused", async (t) => {
  const { cwd, ledger, start, cursor } = await setUp(t);
  const once = () => start("--once", "--cursor", "cursor").ended;
  t.match(await once(), { code: 0, stdout: "" });
  await ledger.append(3);
  t.same(seqs((await once()).stdout), [1, 2, 3]);
  await ledger.append(2);
  t.same(seqs((await once()).stdout), [4, 5]);
  t.equal(cursor(), 5);
  t.equal((await once()).stdout, "");
  for (const position of [
    { seq: 5, hash: "0".repeat(64) },
    { seq: 9, hash: "0".repeat(64) },
  ]) {
    writeFileSync(join(cwd, "cursor"), JSON.stringify({ schemaVersion: 1, ...position }));
    t.match(await once(), { code: 1, stdout: "", stderr: /STREAM_E_CURSOR/ });
  }
  t.match(await start("--to", "nowhere").ended, { code: 2, stderr: /CLI_E_USAGE/ });
});

t.test("a collector that is away or full is asked again, and one that says no ends the stream", async (t) => {
  const { ledger, start, cursor } = await setUp(t);
  await ledger.append(3);
  const statuses = [503, 200, 200, 401];
  const taken: string[] = [];
  const server = createHttp(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const status = statuses.shift() ?? 500;
    t.equal(request.headers["x-key"], "s3cret");
    if (status === 200) taken.push(body);
    response.writeHead(status, status === 503 ? { "retry-after": "0" } : {});
    response.end(
      status === 200 ? '{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"too old"}}' : "no",
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => server.close());
  const to = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/logs`;
  const stream = start("--format", "otlp", "--to", to, "--cursor", "cursor");
  await eventually("the first are there", () => (taken.length === 1 ? true : null));
  await ledger.append(1);
  await eventually("the next one is there", () => (taken.length === 2 ? true : null));
  await ledger.append(1);
  t.match(await stream.ended, { code: 1, stderr: /rejected 1 entries: too old.*STREAM_E_REFUSED/s });
  const sent = taken.map((body) =>
    JSON.parse(body).resourceLogs[0].scopeLogs[0].logRecords.map(
      (record: { attributes: { value: { intValue: string } }[] }) => record.attributes[0]?.value.intValue,
    ),
  );
  t.same(sent, [["1", "2", "3"], ["4"]]);
  t.equal(cursor(), 4);
});

t.test("a syslog receiver that hangs up gets what it may have lost once more", async (t) => {
  const { ledger, start, cursor } = await setUp(t);
  await ledger.append(2);
  const texts: string[] = [];
  const server = createServer((socket: Socket) => {
    const index = texts.push("") - 1;
    socket.on("data", (chunk) => {
      texts[index] += chunk.toString("utf8");
      // The first one takes what it is sent and dies with it.
      if (index === 0) socket.destroy();
    });
    socket.on("end", () => socket.end());
    socket.on("error", () => undefined);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => server.close());
  const to = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const ended = await start("--format", "syslog", "--to", to, "--cursor", "cursor", "--once", "--json").ended;
  t.match(ended, { code: 0 });
  t.same(documents(ended.stdout), [{ schemaVersion: 1, entries: 2, seq: 2 }]);
  t.equal(texts.length, 2);
  for (const text of texts) {
    t.match(text, /^\d+ <110>1 .*\[daruma@32473 seq="1".*\d+ <110>1 .*\[daruma@32473 seq="2"/s);
  }
  t.equal(cursor(), 2);
});
