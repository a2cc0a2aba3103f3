import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { type DarumaError, exitCode } from "@daruma/base";
import t, { type Test } from "tap";
import { connectLedger, ledgerStatus } from "./client.ts";
import { maxEntryBytes } from "./entry.ts";
import { readEntries } from "./reader.ts";
import { chainOf, draft, errorOf, temporaryDirectory } from "./test-support.ts";

/** A ledgerd that does whatever the test wants of it, behind a proper upgrade. */
async function fakeLedgerd(
  t: Test,
  onLines: (socket: Socket, text: string) => void,
  answer = "101 Switching Protocols",
) {
  const path = join(await temporaryDirectory(t), "s.sock");
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("data", () => {
      socket.write(`HTTP/1.1 ${answer}\r\nConnection: Upgrade\r\nUpgrade: daruma-append-1\r\n\r\n`);
      socket.on("data", (chunk: Buffer) => onLines(socket, chunk.toString("utf8")));
    });
  }).listen(path);
  await once(server, "listening");
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return path;
}

t.test("a socket that is gone, is no socket, or has too long a path is told apart", async (t) => {
  const directory = await temporaryDirectory(t);
  await writeFile(join(directory, "file"), "");
  const cases = {
    [join(directory, "gone.sock")]: "SOCKET_E_UNREACHABLE",
    [join(directory, "file")]: "SOCKET_E_UNREACHABLE",
    [join(directory, "x".repeat(100))]: "SOCKET_E_PATH_TOO_LONG",
  };
  for (const [socket, code] of Object.entries(cases)) {
    const errors = [
      await errorOf(connectLedger({ socket })),
      await errorOf(ledgerStatus({ socket })),
      await errorOf(readEntries({ socket }).next()),
    ];
    for (const error of errors) t.equal(error.code, code, socket);
    if (code === "SOCKET_E_UNREACHABLE") t.equal(errors[0]?.exit, exitCode.unreachable);
  }
});

t.test("when the connection is lost, what was under way is unknown and what comes later fails", async (t) => {
  const socket = await fakeLedgerd(t, (connection) => connection.destroy());
  const connection = await connectLedger({ socket });
  const appends = [connection.append(draft), connection.append(draft)];
  for (const append of appends) t.equal((await errorOf(append)).code, "LEDGER_E_DISCONNECTED");
  await connection.closed;
  t.equal((await errorOf(connection.append(draft))).code, "LEDGER_E_DISCONNECTED");
  await connection.close();
});

t.test("answers may come in any order, and each goes to its own append", async (t) => {
  const hash = "0".repeat(64);
  const socket = await fakeLedgerd(t, (connection, text) => {
    const ids = text
      .trimEnd()
      .split("\n")
      .map((line) => Number(JSON.parse(line).id));
    for (const id of ids.toReversed())
      connection.write(`{"id":${id},"seq":${id * 10},"hash":"${hash}","time":"t"}\n`);
  });
  const connection = await connectLedger({ socket });
  const appended = await Promise.all([1, 2, 3].map(() => connection.append(draft)));
  t.same(
    appended.map((one) => (one.duplicate ? 0 : one.seq)),
    [10, 20, 30],
  );
  await connection.close(10);
});

t.test("an answer that makes no sense ends the connection", async (t) => {
  for (const answer of [
    "nonsense",
    "[]",
    '{"id":77,"seq":1}',
    '{"id":1}',
    '{"id":null,"error":{"code":"X"}}',
    "x".repeat(maxEntryBytes + 1),
  ]) {
    const socket = await fakeLedgerd(t, (connection) => connection.write(`${answer}\n`));
    const connection = await connectLedger({ socket });
    t.equal((await errorOf(connection.append(draft))).code, "SOCKET_E_PROTOCOL", answer.slice(0, 40));
    await connection.closed;
  }
});

t.test("errors of ledgerd keep their codes, also codes that this release does not know", async (t) => {
  const codes = ["LEDGER_E_WRITE_FAILED", "LEDGER_E_FUTURE"];
  const socket = await fakeLedgerd(t, (connection) => {
    connection.write(`{"id":1,"error":{"code":"${codes[0]}","message":"m","hint":"h"}}\n`);
    connection.write(`{"id":2,"error":{"code":"${codes[1]}","message":"m","hint":"h"}}\n`);
  });
  const connection = await connectLedger({ socket });
  for (const append of [connection.append(draft), connection.append(draft)]) {
    t.match(await errorOf(append), { code: codes.shift(), message: "m", hint: "h", exit: 1 });
  }
  await connection.close(10);
});

t.test("what would not survive the way is refused before it is sent", async (t) => {
  const sent: string[] = [];
  const socket = await fakeLedgerd(t, (_, text) => sent.push(text));
  const connection = await connectLedger({ socket });
  const large = connection.append({ ...draft, details: { text: "x".repeat(maxEntryBytes) } });
  t.equal((await errorOf(large)).code, "LEDGER_E_TOO_LARGE");
  const notJson = connection.append({ ...draft, details: { a: Number.NaN } });
  t.equal((await errorOf(notJson)).code, "JSON_E_NOT_CANONICAL");
  await connection.close(10);
  t.same(sent, []);
});

t.test("after a key that was refused before it was sent, later ones wait for it", async (t) => {
  const sent: number[] = [];
  const socket = await fakeLedgerd(t, (_, text) => {
    for (const line of text.trimEnd().split("\n")) sent.push(JSON.parse(line).key.n);
  });
  const connection = await connectLedger({ socket });
  const append = (n: number, details = {}, epoch = "e1") =>
    connection.append({ ...draft, details, key: { epoch, n } }).catch((error: DarumaError) => error.code);
  const early = [append(1, { a: Number.NaN }), append(2), append(3, { text: "x".repeat(maxEntryBytes) })];
  t.same(await Promise.all(early), [
    "JSON_E_NOT_CANONICAL",
    "LEDGER_E_OUT_OF_ORDER",
    "LEDGER_E_OUT_OF_ORDER",
  ]);
  const sending = [append(1), append(2), append(1, {}, "e2")];
  await connection.close(10);
  t.same(await Promise.all(sending), Array(3).fill("LEDGER_E_DISCONNECTED"));
  t.same(sent, [1, 2, 1]);
});

t.test("a server that says nothing, or refuses, is given up", async (t) => {
  const path = join(await temporaryDirectory(t), "s.sock");
  const silent = createServer(() => undefined).listen(path);
  await once(silent, "listening");
  t.equal((await errorOf(connectLedger({ socket: path, timeoutMs: 20 }))).code, "SOCKET_E_TIMEOUT");
  silent.close();
  const refusing = await fakeLedgerd(t, () => undefined, "404 Not Found");
  t.equal((await errorOf(connectLedger({ socket: refusing }))).code, "SOCKET_E_PROTOCOL");
  const stopping = await fakeLedgerd(t, () => undefined, "503 Service Unavailable");
  t.equal((await errorOf(connectLedger({ socket: stopping }))).code, "LEDGER_E_STOPPING");
});

t.test("closing waits for the answers that are due", async (t) => {
  const hash = "0".repeat(64);
  const socket = await fakeLedgerd(t, (connection, text) => {
    const { id } = JSON.parse(text);
    setImmediate(() => connection.end(`{"id":${id},"seq":1,"hash":"${hash}","time":"t"}\n`));
  });
  const connection = await connectLedger({ socket });
  const appended = connection.append(draft);
  await connection.close();
  t.match(await appended, { seq: 1 });
});

/** Answers any request for entries with these bytes, whole or cut. */
async function fakeEntries(t: Test, body: string, cut: boolean) {
  const head = `HTTP/1.1 200 OK\r\nContent-Length: ${Buffer.byteLength(body) + (cut ? 1 : 0)}\r\nConnection: close\r\n\r\n`;
  const path = join(await temporaryDirectory(t), "s.sock");
  const server = createServer((socket) => {
    socket.on("error", () => undefined).once("data", () => socket.end(head + body));
  }).listen(path);
  await once(server, "listening");
  t.teardown(() => server.close());
  return path;
}

t.test(
  "a stream of entries that is cut short, or holds a bad entry, is an error after the good ones",
  async (t) => {
    const lines = chainOf(3).map(({ line }) => line);
    const cases: readonly (readonly [string, boolean, string, number])[] = [
      [`${lines.join("\n")}\n`, true, "LEDGER_E_DISCONNECTED", 3],
      [
        `${lines[0]}\n${lines[1]?.replace("enricher", "Enricher")}\n${lines[2]}\n`,
        false,
        "LEDGER_E_DAMAGED",
        1,
      ],
      [`${lines[0]}\nnonsense\n`, false, "LEDGER_E_DAMAGED", 1],
      [`${lines[0]}\n${"x".repeat(maxEntryBytes + 1)}`, false, "LEDGER_E_DAMAGED", 1],
      [`${lines[0]}\n${lines[1]?.slice(0, 50)}`, false, "LEDGER_E_DISCONNECTED", 1],
    ];
    for (const [body, cut, code, good] of cases) {
      const socket = await fakeEntries(t, body, cut);
      let seen = 0;
      const reading = (async () => {
        for await (const _ of readEntries({ socket })) seen += 1;
      })();
      t.equal((await errorOf(reading)).code, code, body.slice(-60, -1));
      t.equal(seen, good);
    }
  },
);

t.test("a status of another shape is a protocol error", async (t) => {
  const socket = await fakeEntries(t, '{"schemaVersion":2}', false);
  t.equal((await errorOf(ledgerStatus({ socket }))).code, "SOCKET_E_PROTOCOL");
});
