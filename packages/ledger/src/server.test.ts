import { once } from "node:events";
import { mkdir, readdir } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { callUnix, type DarumaError, openUnix } from "@daruma/base";
import t, { type Test } from "tap";
import { connectLedger, ledgerStatus } from "./client.ts";
import { maxEntryBytes, zeroHash } from "./entry.ts";
import { readEntries } from "./reader.ts";
import { type Ledgerd, startLedgerd } from "./server.ts";
import { draft, errorOf, eventually, temporaryDirectory } from "./test-support.ts";
import { ChainVerifier } from "./verify.ts";

interface Served {
  readonly ledgerd: Ledgerd;
  readonly watchd: string;
  readonly operator: string;
  readonly directory: string;
  readonly told: unknown[];
}

async function serve(t: Test, directory?: string): Promise<Served> {
  const sockets = directory ?? (await temporaryDirectory(t));
  const told: unknown[] = [];
  const ledgerd = await startLedgerd({
    store: join(sockets, "store"),
    sockets,
    host: "etl-01",
    writers: ["watchd", "operator"],
    onTrouble: (error) => told.push(error),
    onProblem: (error) => told.push(error),
    onFatal: (error) => told.push(error),
  });
  t.teardown(() => ledgerd.stop());
  const pathOf = (writer: string) => ledgerd.sockets[writer] ?? "";
  return { ledgerd, watchd: pathOf("watchd"), operator: pathOf("operator"), directory: sockets, told };
}

/** An append connection without our client: what is sent and what comes back, line by line. */
async function rawAppend(
  path: string,
): Promise<{ socket: Socket; next: () => Promise<Record<string, unknown>> }> {
  const socket = connect(path);
  socket.write(
    "GET /v1/append HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: daruma-append-1\r\n\r\n",
  );
  const lines = createInterface(socket)[Symbol.asyncIterator]();
  const line = async () => String((await lines.next()).value);
  if (!(await line()).startsWith("HTTP/1.1 101")) throw new Error("no upgrade");
  while ((await line()) !== "");
  return { socket, next: async () => JSON.parse(await line()) };
}

async function collect(path: string): Promise<readonly string[]> {
  const lines: string[] = [];
  for await (const { line } of readEntries({ socket: path })) lines.push(line);
  return lines;
}

t.test("an append is answered with its place, and its actor is the socket's writer", async (t) => {
  const { watchd, operator } = await serve(t);
  for (const [index, path] of [watchd, operator].entries()) {
    const connection = await connectLedger({ socket: path });
    const appended = await connection.append({ ...draft, details: {} });
    t.match(appended, { duplicate: false, seq: index + 1, hash: /^[0-9a-f]{64}$/, time: /Z$/ });
    await connection.close();
  }
  const entries = (await collect(watchd)).map((line) => JSON.parse(line));
  t.match(entries, [
    { actor: "watchd", host: "etl-01", prev: zeroHash },
    { actor: "operator", prev: entries[0].hash },
  ]);
});

t.test("many clients at once make one gapless chain, in each client's order", async (t) => {
  const { watchd, operator } = await serve(t);
  await Promise.all(
    Array.from({ length: 16 }, async (_, client) => {
      const connection = await connectLedger({ socket: client % 2 === 0 ? watchd : operator });
      const appends = Array.from({ length: 50 }, (_, index) =>
        connection.append({ ...draft, subject: `client/${client}`, details: { index } }),
      );
      const seqs = (await Promise.all(appends)).map((appended) => (appended.duplicate ? 0 : appended.seq));
      t.same(
        seqs,
        seqs.toSorted((a, b) => a - b),
      );
      await connection.close();
    }),
  );
  const verifier = new ChainVerifier("etl-01");
  const next = new Map<string, number>();
  for (const line of await collect(watchd)) {
    verifier.push(Buffer.from(line));
    const { subject, details } = JSON.parse(line);
    if (details.index !== (next.get(subject) ?? 0)) t.fail(`${subject} is out of order at ${details.index}`);
    next.set(subject, details.index + 1);
  }
  t.match(verifier.result(), { ok: true, complete: true, entries: 800 });
});

t.test("the status tells the head, and nothing else is served", async (t) => {
  const { watchd, operator } = await serve(t);
  const connection = await connectLedger({ socket: watchd });
  const appended = await connection.append(draft);
  const head = { seq: 1, hash: appended.duplicate ? "" : appended.hash };
  for (const socket of [watchd, operator]) {
    const { syncs, ...status } = await ledgerStatus({ socket });
    t.equal(
      syncs.counts.reduce((sum, count) => sum + count, 0),
      1,
      "the group of one was timed",
    );
    t.same(status, {
      schemaVersion: 1,
      host: "etl-01",
      pid: process.pid,
      entries: 1,
      head,
      pruned: 0,
      signed: 0,
      indexed: 1,
      witnessed: 0,
      witnesses: 0,
      writable: true,
    });
  }
  await connection.close();
  const error = await errorOf(callUnix({ path: watchd, method: "POST", route: "/v1/entries", body: {} }));
  t.equal(error.code, "SOCKET_E_PROTOCOL");
});

t.test("entries are read from a place on, up to a limit, as the exact stored bytes", async (t) => {
  const { watchd } = await serve(t);
  const connection = await connectLedger({ socket: watchd });
  await Promise.all(
    Array.from({ length: 1200 }, (_, index) => connection.append({ ...draft, details: { index } })),
  );
  await connection.close();
  const all = await collect(watchd);
  t.equal(all.length, 1200);
  const ranges = [
    { after: 0, limit: 3 },
    { after: 1198, limit: 100 },
    { after: 600, limit: 600 },
    { after: 1200, limit: 5 },
    { after: 99_999, limit: 5 },
  ];
  for (const { after, limit } of ranges) {
    const lines: string[] = [];
    for await (const { line } of readEntries({ socket: watchd, after, limit })) lines.push(line);
    t.same(lines, all.slice(after, after + limit), `after ${after}`);
  }
  const response = await openUnix({ path: watchd, method: "GET", route: "/v1/entries?after=1199" });
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  t.equal(Buffer.concat(chunks).toString("utf8"), `${all[1199]}\n`);
});

t.test("a query that makes no sense is refused", async (t) => {
  const { watchd } = await serve(t);
  for (const query of [
    "after=-1",
    "after=x",
    "after=",
    "after=1.5",
    "after=99999999999999999",
    "limit=0",
    "limit=-1",
    "follow=yes",
    "backwards=3",
  ]) {
    const error = await errorOf(callUnix({ path: watchd, method: "GET", route: `/v1/entries?${query}` }));
    t.equal(error.code, "LEDGER_E_BAD_REQUEST", query);
  }
});

t.test("following gives what is there and then what comes, until the reader leaves", async (t) => {
  const { watchd, operator } = await serve(t);
  const connection = await connectLedger({ socket: watchd });
  await connection.append({ ...draft, details: { n: 1 } });
  const seen: unknown[] = [];
  for await (const { entry } of readEntries({ socket: operator, follow: true })) {
    seen.push(entry.details.n);
    if (seen.length === 20) break;
    await connection.append({ ...draft, details: { n: seen.length + 1 } });
  }
  t.same(
    seen,
    Array.from({ length: 20 }, (_, index) => index + 1),
  );
  const last: unknown[] = [];
  for await (const { entry } of readEntries({ socket: operator, after: 18, limit: 2, follow: true }))
    last.push(entry.details.n);
  t.same(last, [19, 20], "a limit ends a following reader");
  await connection.close();
});

t.test("a follower of an empty ledger is let in at once, and a signal ends its waiting", async (t) => {
  const { watchd } = await serve(t);
  const controller = new AbortController();
  const reading = (async () => {
    for await (const _ of readEntries({ socket: watchd, follow: true, signal: controller.signal }))
      t.fail("no entry");
  })();
  const response = await openUnix({
    path: watchd,
    method: "GET",
    route: "/v1/entries?follow=1",
    timeoutMs: 10_000,
  });
  response.destroy();
  controller.abort(new Error("enough"));
  await t.rejects(reading, { message: "enough" });
  await t.rejects(readEntries({ socket: watchd, signal: controller.signal }).next(), { message: "enough" });
});

t.test("a follower who does not read holds nobody up, and misses nothing when it reads on", async (t) => {
  const { watchd } = await serve(t);
  const response = await openUnix({ path: watchd, method: "GET", route: "/v1/entries?follow=1" });
  response.pause();
  const connection = await connectLedger({ socket: watchd });
  const text = "x".repeat(20_000);
  for (let turn = 0; turn < 20; turn++) {
    await Promise.all(Array.from({ length: 20 }, () => connection.append({ ...draft, details: { text } })));
  }
  await connection.close();
  let newlines = 0;
  for await (const chunk of response) {
    for (const byte of chunk as Buffer) if (byte === 0x0a) newlines += 1;
    if (newlines === 400) break;
  }
  t.equal(newlines, 400);
});

t.test("a bad request is answered with its id, and the connection goes on", async (t) => {
  const { watchd } = await serve(t);
  const { socket, next } = await rawAppend(watchd);
  socket.write('{"id":1,"action":"","subject":"s","details":{}}\n');
  t.match(await next(), { id: 1, error: { code: "LEDGER_E_BAD_REQUEST", hint: /./ } });
  socket.write("not json\n\n");
  t.match(await next(), { id: null, error: { code: "LEDGER_E_BAD_REQUEST" } });
  t.match(await next(), { id: null, error: { code: "LEDGER_E_BAD_REQUEST" } });
  socket.write('{"id":2,"action":"a","subject":"s","details":{}}\n');
  t.match(await next(), { id: 2, seq: 1 });
  socket.destroy();
});

t.test(
  "a line over 256 KiB is refused with its id if that comes first, and the connection goes on",
  async (t) => {
    const { watchd } = await serve(t);
    const { socket, next } = await rawAppend(watchd);
    const tail = `"action":"a","subject":"s","details":{"text":"${"x".repeat(maxEntryBytes)}"}}\n`;
    socket.write(`{"id":7,${tail}`);
    t.match(await next(), { id: 7, error: { code: "LEDGER_E_TOO_LARGE" } });
    socket.write(`{${tail}`);
    t.match(await next(), { id: null, error: { code: "LEDGER_E_TOO_LARGE" } });
    // As sent it fits, as stored (with host, hashes and time) it does not.
    const almost = '{"id":8,"action":"a","subject":"s","details":{"text":""}}'.length;
    socket.write(
      `{"id":8,"action":"a","subject":"s","details":{"text":"${"x".repeat(maxEntryBytes - almost)}"}}\n`,
    );
    t.match(await next(), { id: 8, error: { code: "LEDGER_E_TOO_LARGE" } });
    socket.write('{"id":9,"action":"a","subject":"s","details":{}}\n');
    t.match(await next(), { id: 9, seq: 1 });
    socket.destroy();
  },
);

t.test("lines may come in any pieces, and a client that ends its side still gets its answers", async (t) => {
  const { watchd } = await serve(t);
  const { socket, next } = await rawAppend(watchd);
  const bytes = Buffer.from(
    '{"id":1,"action":"é","subject":"s","details":{}}\n{"id":2,"action":"b","subject":"s","details":{}}\n',
  );
  for (const byte of bytes) {
    socket.write(Buffer.from([byte]));
    await new Promise(setImmediate);
  }
  socket.end();
  t.match(await next(), { id: 1, seq: 1 });
  t.match(await next(), { id: 2, seq: 2 });
  await once(socket, "close");
});

t.test("an upgrade to anything else is refused", async (t) => {
  const { watchd } = await serve(t);
  const socket = connect(watchd);
  socket.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  const [answer] = await once(socket, "data");
  t.match(String(answer), /^HTTP\/1\.1 426 /);
  await once(socket, "close");
});

t.test("keys make appends idempotent, over connections and starts", async (t) => {
  const first = await serve(t);
  const key = (n: number, epoch = "e1") => ({ ...draft, key: { epoch, n } });
  const one = await connectLedger({ socket: first.watchd });
  t.match(await Promise.all([1, 2, 2, 1].map((n) => one.append(key(n)))), [
    { duplicate: false, seq: 1 },
    { duplicate: false, seq: 2 },
    { duplicate: true },
    { duplicate: true },
  ]);
  await one.close();
  await first.ledgerd.stop();
  const second = await serve(t, first.directory);
  const two = await connectLedger({ socket: second.watchd });
  t.match(await Promise.all([two.append(key(2)), two.append(key(3)), two.append(key(1, "e2"))]), [
    { duplicate: true },
    { duplicate: false, seq: 3 },
    { duplicate: false, seq: 4 },
  ]);
  const other = await connectLedger({ socket: second.operator });
  t.match(await other.append(key(1)), { duplicate: false, seq: 5 }, "another writer has its own keys");
  await Promise.all([two.close(), other.close()]);
  await second.ledgerd.stop();
  const third = await serve(t, first.directory);
  const again = await connectLedger({ socket: third.watchd });
  t.match(
    await Promise.all([again.append(key(3)), again.append(key(1, "e2"))]),
    [{ duplicate: true }, { duplicate: true }],
    "the outboxes of one writer do not forget each other",
  );
  await again.close();
});

t.test(
  "a client that floods without reading its answers is held up, and in the end all is written",
  async (t) => {
    const { watchd } = await serve(t);
    const { socket, next } = await rawAppend(watchd);
    socket.pause();
    const count = 30_000;
    const line = (id: number) => `{"id":${id},"action":"a","subject":"s","details":{}}\n`;
    for (let id = 1; id <= count; id++) socket.write(line(id));
    await eventually("the client's buffer is full", () => (socket.writableLength > 0 ? true : undefined));
    socket.resume();
    let seq = 0;
    for (let id = 1; id <= count; id++) seq = Math.max(seq, Number((await next()).seq));
    t.equal(seq, count);
    socket.destroy();
  },
);

t.test(
  "stopping finishes the group that is being written, answers the rest, and frees everything",
  async (t) => {
    const { ledgerd, watchd, directory } = await serve(t);
    const connection = await connectLedger({ socket: watchd });
    await connection.append(draft);
    const appends = Array.from({ length: 5000 }, () =>
      connection.append(draft).catch((error: DarumaError) => error.code),
    );
    const following = errorOf(
      (async () => {
        for await (const _ of readEntries({ socket: watchd, follow: true, after: 1_000_000 }));
      })(),
    );
    await eventually("the first of them is being written", async () => {
      const { entries } = await ledgerStatus({ socket: watchd });
      return entries > 1 ? true : undefined;
    });
    await Promise.all([ledgerd.stop(), ledgerd.stop()]);
    const outcomes = await Promise.all(appends);
    const refused = outcomes.filter((outcome) => typeof outcome === "string");
    for (const code of new Set(refused))
      t.ok(["LEDGER_E_STOPPING", "LEDGER_E_DISCONNECTED"].includes(code), code);
    t.equal((await following).code, "LEDGER_E_DISCONNECTED", "a follower is told that this is not the end");
    await connection.closed;
    const again = await serve(t, directory);
    const { entries } = await ledgerStatus({ socket: again.watchd });
    t.ok(entries >= 1 + outcomes.length - refused.length, "what was acknowledged is there");
  },
);

t.test("when a socket cannot be made, the ledger is let go again", async (t) => {
  const directory = await temporaryDirectory(t);
  await mkdir(join(directory, "operator.sock"));
  t.equal((await errorOf(serve(t, directory))).code, "SOCKET_E_UNUSABLE");
  t.notOk((await readdir(directory)).includes("watchd.sock"));
  const long = {
    store: join(directory, "store"),
    sockets: join(directory, "x".repeat(100)),
    host: "etl-01",
    writers: ["watchd"],
  };
  const none = { onTrouble: () => undefined, onProblem: () => undefined, onFatal: () => undefined };
  t.equal((await errorOf(startLedgerd({ ...long, ...none }))).code, "SOCKET_E_PATH_TOO_LONG");
});
