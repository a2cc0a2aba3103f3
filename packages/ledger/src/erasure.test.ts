import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import t, { type Test } from "tap";
import { acceptLoss } from "./accept-loss.ts";
import { faultsOfDetails } from "./action-faults.ts";
import { connectLedger, type LedgerConnection } from "./client.ts";
import type { Entry } from "./entry.ts";
import { type LedgerDb, openLevel, storeKeys } from "./level.ts";
import { commitmentIn, faultOfOpening } from "./payload.ts";
import { eraseLedgerPayloads, ledgerPayload } from "./payload-client.ts";
import { signLedger } from "./proof-client.ts";
import { readEntries } from "./reader.ts";
import { type Ledgerd, startLedgerd } from "./server.ts";
import { storePaths } from "./store-parts.ts";
import { draft, errorOf, temporaryDirectory } from "./test-support.ts";
import { verifyDirectory } from "./verify-directory.ts";

const host = "etl-01";
const reason = "the customer asked for it";

interface Served extends Ledgerd {
  readonly socket: string;
  readonly connection: LedgerConnection;
}

async function serve(t: Test, directory: string): Promise<Served> {
  const fail = (error: unknown) => t.fail(String(error));
  const ledgerd = await startLedgerd({
    store: join(directory, "store"),
    sockets: directory,
    host,
    writers: ["watchd", "operator"],
    pace: { everyEntries: 1_000_000, everyMs: 3_600_000 },
    onTrouble: fail,
    onProblem: fail,
    onFatal: fail,
  });
  const connection = await connectLedger({ socket: join(directory, "watchd.sock") });
  t.teardown(async () => {
    await connection.close();
    await ledgerd.stop();
  });
  return { ...ledgerd, connection, socket: join(directory, "operator.sock") };
}

/** Entries 1 to 5, the odd ones of which have a payload. */
async function fill({ connection }: Served): Promise<void> {
  for (let n = 1; n <= 5; n += 1) {
    const entry = { ...draft, details: { n } };
    await connection.append(
      n % 2 === 0 ? entry : { ...entry, payload: { name: `Zoë ${n}`, mail: "z@example.org" } },
    );
  }
}

async function stopped({ connection, stop }: Served): Promise<void> {
  await connection.close();
  await stop();
}

async function entriesOf(socket: string): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  for await (const { entry } of readEntries({ socket })) entries.push(entry);
  return entries;
}

/** How often some bytes are in the files of a ledger. */
async function occurrences(directory: string, bytes: Buffer): Promise<number> {
  let count = 0;
  const files = await readdir(join(directory, "store"), { recursive: true, withFileTypes: true });
  for (const file of files.filter((one) => one.isFile())) {
    if ((await readFile(join(file.parentPath, file.name))).includes(bytes)) count += 1;
  }
  return count;
}

async function tamper(directory: string, change: (db: LedgerDb) => Promise<void>): Promise<void> {
  const db = await openLevel(storePaths(join(directory, "store")).level, false);
  await change(db);
  await db.close();
}

t.test("an entry commits to a payload that is kept beside it", async (t) => {
  const ledgerd = await serve(t, await temporaryDirectory(t));
  await fill(ledgerd);
  const { socket, connection } = ledgerd;
  const entries = await entriesOf(socket);
  for (const { seq, details } of entries) {
    const found = await ledgerPayload({ socket }, seq);
    if (seq % 2 === 0) {
      t.equal(found, null);
      t.same(details, { n: seq });
      continue;
    }
    t.match(found, { schemaVersion: 1, seq, payload: { name: `Zoë ${seq}`, mail: "z@example.org" } });
    t.equal(JSON.stringify(details).includes("Zoë"), false, "the entry does not hold it");
    const commitment = commitmentIn(details);
    const opening = { salt: found?.salt ?? "", payload: found?.payload ?? {} };
    t.equal(faultOfOpening(commitment, opening), null);
    t.match(faultOfOpening(commitment, { ...opening, payload: { name: "Zoe" } }), /hashes to/);
    t.match(faultOfOpening(commitment, { ...opening, salt: "0".repeat(64) }), /hashes to/);
  }
  const [one, three] = [entries[0], entries[2]].map((entry) => commitmentIn(entry?.details ?? {}));
  t.not(one, three);
  const forged = { ...draft, details: { payloadCommitment: "0".repeat(64) } };
  t.match(await errorOf(connection.append(forged)), {
    code: "LEDGER_E_BAD_REQUEST",
    message: /made by ledgerd/,
  });
  const list = { ...draft, payload: [] as never };
  t.match(await errorOf(connection.append(list)), { code: "LEDGER_E_BAD_REQUEST", message: /payload must/ });
  await signLedger({ socket });
});

t.test("an erased payload is on the disk no more, the ledger says so, and the chain holds", async (t) => {
  const directory = await temporaryDirectory(t);
  let ledgerd = await serve(t, directory);
  await fill(ledgerd);
  const { socket } = ledgerd;
  const salts = await Promise.all(
    [1, 3].map(async (seq) => Buffer.from((await ledgerPayload({ socket }, seq))?.salt ?? "", "hex")),
  );
  const [erased = Buffer.alloc(0), kept = Buffer.alloc(0)] = salts;
  t.ok((await occurrences(directory, erased)) > 0, "it is found where it is");
  // Part of it in LevelDB's tables, part in its log.
  await stopped(ledgerd);
  ledgerd = await serve(t, directory);
  const done = await eraseLedgerPayloads({ socket }, { seqs: [1, 2, 1], reason });
  t.match(done, { erased: [1], seq: 6 });
  const said = (await entriesOf(socket)).at(-1);
  t.match(said, { action: "ledger.erase", actor: "operator", details: { seqs: ["1"], reason } });
  t.same(faultsOfDetails("ledger.erase", said?.details ?? {}), []);
  t.equal(await ledgerPayload({ socket }, 1), null);
  t.match(await ledgerPayload({ socket }, 3), { payload: { name: "Zoë 3" } });
  t.equal(await occurrences(directory, erased), 0, "no file holds it");
  t.ok((await occurrences(directory, kept)) > 0);
  const again = { seqs: [1, 2], reason };
  t.match(await errorOf(eraseLedgerPayloads({ socket }, again)), { code: "LEDGER_E_NO_PAYLOAD" });
  for (const bad of [
    { seqs: [], reason },
    { seqs: [0], reason },
    { seqs: [1], reason: "" },
  ]) {
    t.match(await errorOf(eraseLedgerPayloads({ socket }, bad)), { code: "LEDGER_E_BAD_REQUEST" });
  }
  await stopped(ledgerd);
  const verdict = await verifyDirectory(join(directory, "store"));
  t.match(verdict, { ok: true, complete: true, entries: 6, payloads: 2, erased: [1] });
});

t.test("a payload that is gone without a word, or is another one, is told", async (t) => {
  const directory = await temporaryDirectory(t);
  const ledgerd = await serve(t, directory);
  await fill(ledgerd);
  // Whoever writes as somebody else than the operator erases nothing.
  await ledgerd.connection.append({
    action: "ledger.erase",
    subject: "ledger",
    details: { seqs: ["3"], reason },
  });
  await stopped(ledgerd);
  const store = join(directory, "store");
  const payloads = new Map<string, Buffer>();
  await tamper(directory, async (db) => {
    for await (const [key, value] of db.iterator<string, Buffer>({
      ...storeKeys.payloads,
      valueEncoding: "buffer",
    })) {
      payloads.set(key, value);
    }
  });
  const put = (seq: number, value: Buffer) => (db: LedgerDb) =>
    db.put<string, Buffer>(storeKeys.payload(seq), value, { valueEncoding: "buffer" });
  const three = payloads.get(storeKeys.payload(3)) ?? Buffer.alloc(0);
  const changed = Buffer.from(three);
  changed.writeUInt8(changed.readUInt8(0) ^ 1, 0);
  for (const [change, seq, message] of [
    [(db: LedgerDb) => db.del(storeKeys.payload(3)), 3, /is gone, and no entry says/],
    [put(3, changed), 3, /hashes to/],
    [put(3, three.subarray(0, 40)), 3, /not readable/],
    [put(2, three), 2, /has no commitment/],
    [put(99, three), 99, /no such entry/],
  ] as const) {
    await tamper(directory, change);
    const { ok, firstBad } = await verifyDirectory(store);
    t.match({ ok, firstBad }, { ok: false, firstBad: { seq, reason: "wrong-payload", message } });
    await tamper(directory, async (db) => {
      await db.clear(storeKeys.payloads);
      for (const [key, value] of payloads)
        await db.put<string, Buffer>(key, value, { valueEncoding: "buffer" });
    });
  }
  t.match(await verifyDirectory(store), { ok: true, payloads: 3, erased: [] });
});

t.test(
  "where a loss is accepted, payloads stay with their entries, and what was set aside is looked into",
  async (t) => {
    const directory = await temporaryDirectory(t);
    const first = await serve(t, directory);
    await fill(first);
    await eraseLedgerPayloads({ socket: first.socket }, { seqs: [1], reason });
    await stopped(first);
    const store = join(directory, "store");
    await tamper(directory, (db) => db.del(storeKeys.entry(6)));
    await acceptLoss(store, host, "a test");
    const ledgerd = await serve(t, directory);
    const { socket } = ledgerd;
    t.match(await ledgerPayload({ socket }, 3), { payload: { name: "Zoë 3" } });
    const error = await errorOf(eraseLedgerPayloads({ socket }, { seqs: [5], reason }));
    t.match(error, { code: "LEDGER_E_NOT_ERASED", message: /damaged/ });
    t.equal(await ledgerPayload({ socket }, 5), null, "it cannot be read any more");
    await stopped(ledgerd);
    t.match(await verifyDirectory(store), { ok: true, payloads: 1, erased: [1, 5] });
  },
);
