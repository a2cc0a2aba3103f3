import { join } from "node:path";
import { callUnix } from "@daruma/base";
import t, { type Test } from "tap";
import { connectLedger, ledgerStatus } from "./client.ts";
import { compareLedgerIndex, ledgerValues, renewLedgerIndex } from "./proof-client.ts";
import { type ReadOptions, readEntries } from "./reader.ts";
import { startLedgerd } from "./server.ts";
import { errorOf, eventually, temporaryDirectory } from "./test-support.ts";

/** 30 entries by turns of three actions and two incidents, and then what the test appends. */
async function serve(t: Test) {
  const sockets = await temporaryDirectory(t);
  const fail = (error: unknown) => t.fail(String(error));
  const ledgerd = await startLedgerd({
    store: join(sockets, "store"),
    sockets,
    host: "etl-01",
    writers: ["watchd", "operator"],
    onTrouble: fail,
    onProblem: fail,
    onFatal: fail,
  });
  t.teardown(() => ledgerd.stop());
  const socket = ledgerd.sockets.operator ?? "";
  const connection = await connectLedger({ socket });
  const append = (n: number) =>
    connection.append({
      action: ["agent.exit", "agent.start", "generation.switch"][n % 3] ?? "",
      subject: "a",
      incident: `i-${n % 2}`,
      details: { n },
    });
  await Promise.all(Array.from({ length: 30 }, (_, n) => append(n + 1)));
  t.teardown(() => connection.close(10));
  return { socket, watchd: ledgerd.sockets.watchd ?? "", append };
}

async function seqs(options: ReadOptions): Promise<readonly number[]> {
  const found: number[] = [];
  for await (const { entry } of readEntries(options)) found.push(entry.seq);
  return found;
}

t.test("entries are asked for by what they say, in order, all or the newest or the first", async (t) => {
  const { socket } = await serve(t);
  const filter = { action: "agent.*", incident: "i-0" };
  t.same(await seqs({ socket, filter }), [4, 6, 10, 12, 16, 18, 22, 24, 28, 30]);
  t.same(await seqs({ socket, filter, newest: 2 }), [28, 30]);
  t.same(await seqs({ socket, filter, limit: 2 }), [4, 6]);
  t.same(await seqs({ socket, filter, after: 6, before: 16 }), [10, 12]);
  t.same(await seqs({ socket, filter, newest: 0 }), []);
  t.same(await seqs({ socket, newest: 3 }), [28, 29, 30]);
  t.same(await seqs({ socket, after: 3, before: 6 }), [4, 5]);
  t.same(await seqs({ socket, filter: { until: "2020-01-01T00:00:00.000Z" } }), []);
  t.equal((await seqs({ socket, filter: { since: "2020-01-01T00:00:00.000Z" } })).length, 30);
});

t.test("with follow, the newest that match are followed by the new ones that do", async (t) => {
  const { socket, append } = await serve(t);
  const stop = new AbortController();
  const found: number[] = [];
  const options = { socket, filter: { action: "agent.exit" }, newest: 1, follow: true, signal: stop.signal };
  const reading = (async () => {
    for await (const { entry } of readEntries(options)) found.push(entry.seq);
  })();
  await eventually("the newest is there", () => (found.length === 1 ? true : undefined));
  for (let n = 31; n <= 36; n += 1) await append(n);
  await eventually("the new ones are there", () => (found.length === 3 ? true : undefined));
  stop.abort();
  await t.rejects(reading);
  t.same(found, [30, 33, 36]);
});

t.test("a question that no entry could answer is refused", async (t) => {
  const { socket } = await serve(t);
  for (const query of [
    "since=yesterday",
    "actor=",
    "action=a%0Ab",
    "color=red",
    "before=0",
    "follow=1&before=3",
  ]) {
    const error = await errorOf(callUnix({ path: socket, method: "GET", route: `/v1/entries?${query}` }));
    t.equal(error.code, "LEDGER_E_BAD_REQUEST", query);
  }
  t.match(await errorOf(callUnix({ path: socket, method: "GET", route: "/v1/values?label=host" })), {
    code: "LEDGER_E_BAD_REQUEST",
  });
});

t.test("values of a label are listed by their newest entry", async (t) => {
  const { socket, watchd } = await serve(t);
  t.same(await ledgerValues({ socket: watchd }, "incident"), [
    { value: "i-0", first: 2, last: 30 },
    { value: "i-1", first: 1, last: 29 },
  ]);
  t.same(await ledgerValues({ socket }, "action", 1), [{ value: "agent.exit", first: 3, last: 30 }]);
});

t.test("the index is compared and made anew while ledgerd serves, by the operator alone", async (t) => {
  const { socket, watchd, append } = await serve(t);
  t.match(await compareLedgerIndex({ socket }), { entries: 30, differences: 0 });
  t.match(await renewLedgerIndex({ socket }), { entries: 30 });
  await append(31);
  await eventually("all is indexed", async () => {
    const { indexed } = await ledgerStatus({ socket });
    return indexed === 31 ? true : undefined;
  });
  t.match(await compareLedgerIndex({ socket }), { entries: 31, differences: 0 });
  t.same(await seqs({ socket, filter: { action: "agent.start" }, newest: 1 }), [31]);
  t.match(await errorOf(renewLedgerIndex({ socket: watchd })), { code: "SOCKET_E_PROTOCOL" });
});
