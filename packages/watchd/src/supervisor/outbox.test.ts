import { defineErrors, exitCode } from "@daruma/base";
import t from "tap";
import type { LedgerRecord } from "../policy/events.ts";
import { type LedgerPort, Outbox, type OutboxOptions } from "./outbox.ts";

const errors = defineErrors({
  LEDGER_E_BAD_REQUEST: { summary: "Refused.", remedy: "Correct it.", exit: exitCode.error },
});

type Entry = Parameters<LedgerPort["append"]>[0];

function recordOf(subject: string, at = 1_000): LedgerRecord {
  return { action: "agent.start", subject, at, severity: "info", details: {} };
}

/** A ledger that acknowledges up to `limit` entries a connection, then breaks. */
function fakeLedger(limit = Number.POSITIVE_INFINITY) {
  const written: Entry[] = [];
  const state = { limit, refuseConnections: false, connections: 0, written };
  const connect = async (): Promise<LedgerPort> => {
    if (state.refuseConnections) throw new Error("nobody listens");
    state.connections += 1;
    let acknowledged = 0;
    return {
      append: async (entry) => {
        acknowledged += 1;
        if (acknowledged > state.limit) throw new Error("the connection broke");
        written.push(entry);
      },
      close: async () => {},
    };
  };
  return { state, connect };
}

function outboxWith(options: Partial<OutboxOptions> & Pick<OutboxOptions, "connect">): Outbox {
  return new Outbox({
    epoch: "e",
    nextEntry: 1,
    waiting: [],
    wallNow: () => 1_000,
    log: () => {},
    ...options,
  });
}

t.test("entries reach the ledger in order, each with its key", async (t) => {
  const { state, connect } = fakeLedger();
  const outbox = outboxWith({ connect });
  outbox.send(outbox.number([recordOf("a"), recordOf("b")]));
  outbox.start();
  await outbox.settle(5_000);
  t.same(
    state.written.map((entry) => [entry.subject, entry.key]),
    [
      ["a", { epoch: "e", n: 1 }],
      ["b", { epoch: "e", n: 2 }],
    ],
  );
  t.equal(outbox.acknowledged, 2);
  t.same(outbox.waiting, []);
  await outbox.close();
});

t.test("what a broken connection did not acknowledge is sent again, and nothing is left out", async (t) => {
  const { state, connect } = fakeLedger(2);
  const outbox = outboxWith({ connect });
  outbox.start();
  outbox.send(outbox.number(["a", "b", "c", "d", "e"].map((subject) => recordOf(subject))));
  await outbox.settle(5_000);
  t.ok(state.connections > 1);
  t.same([...new Set(state.written.map((entry) => entry.key?.n))], [1, 2, 3, 4, 5]);
  await outbox.close();
});

t.test(
  "entries wait while nobody listens, and the ones that waited long say that they are late",
  async (t) => {
    const { state, connect } = fakeLedger();
    state.refuseConnections = true;
    let wall = 1_000;
    const outbox = outboxWith({ connect, wallNow: () => wall });
    outbox.start();
    outbox.send(outbox.number([recordOf("a", 1_000)]));
    t.equal(outbox.connected, false);
    t.equal(outbox.waiting.length, 1);
    wall = 60_000;
    state.refuseConnections = false;
    await outbox.settle(10_000);
    t.match(state.written, [{ subject: "a", details: { late: true, at: "1970-01-01T00:00:01.000Z" } }]);
    await outbox.close();
  },
);

t.test("an outbox that is recovered from the journal goes on with the numbers it had", async (t) => {
  const { state, connect } = fakeLedger();
  const outbox = outboxWith({ connect, nextEntry: 8, waiting: [{ n: 7, record: recordOf("old") }] });
  t.equal(outbox.acknowledged, 6);
  outbox.send(outbox.number([recordOf("new")]));
  outbox.start();
  await outbox.settle(5_000);
  t.same(
    state.written.map((entry) => entry.key?.n),
    [7, 8],
  );
  t.equal(outbox.acknowledged, 8);
  await outbox.close();
});

t.test("an entry that the ledger can never take goes without its details, and blocks nobody", async (t) => {
  const written: Entry[] = [];
  const connect = async (): Promise<LedgerPort> => {
    let refused = false;
    return {
      append: async (entry) => {
        // As ledgerd does: what follows a refused entry of an outbox would take its place.
        if (refused) throw new Error("out of order");
        refused = entry.subject.length > 256;
        if (refused) throw errors.make("LEDGER_E_BAD_REQUEST", "the subject is too long");
        written.push(entry);
      },
      close: async () => {},
    };
  };
  const outbox = outboxWith({ connect });
  outbox.start();
  outbox.send(outbox.number([recordOf("x".repeat(300)), recordOf("next")]));
  await outbox.settle(10_000);
  t.same(
    written.map((entry) => [entry.subject.length, entry.key?.n]),
    [
      [200, 1],
      [4, 2],
    ],
  );
  t.equal(written[0]?.details.withheld, "LEDGER_E_BAD_REQUEST");
  await outbox.close();
});

t.test(
  "an entry goes to the ledger only once it has been heard of, what an earlier watchd left too",
  async (t) => {
    const { state, connect } = fakeLedger();
    const heard: [string, number[], () => void][] = [];
    const outbox = outboxWith({
      connect,
      nextEntry: 3,
      waiting: [
        { n: 1, record: recordOf("a") },
        { n: 2, record: recordOf("b") },
      ],
      hear: (epoch, entries) =>
        new Promise((resolve) => {
          heard.push([epoch, entries.map(({ n }) => n), resolve]);
        }),
    });
    outbox.start();
    outbox.send(outbox.number([recordOf("c")]));
    await outbox.settle(50);
    t.match(heard, [
      ["e", [1, 2]],
      ["e", [3]],
    ]);
    t.same(state.written, []);
    t.equal(outbox.acknowledged, 0, "so that it is still in the journal");
    heard[0]?.[2]();
    await outbox.settle(50);
    t.same(
      state.written.map(({ subject }) => subject),
      ["a", "b"],
    );
    heard[1]?.[2]();
    await outbox.settle(5_000);
    t.equal(outbox.acknowledged, 3);
    await outbox.close();
  },
);

/** A ledger that acknowledges nothing until it is told to go on. */
function hangingLedger() {
  const held: (() => void)[] = [];
  let hangs = true;
  const append = () => (hangs ? new Promise<void>((resolve) => held.push(resolve)) : Promise.resolve());
  return {
    connect: async (): Promise<LedgerPort> => ({ append, close: async () => {} }),
    goOn: () => {
      hangs = false;
      for (const resolve of held.splice(0)) resolve();
    },
  };
}

t.test("a ledger that acknowledges nothing is away, until it does", async (t) => {
  const ledger = hangingLedger();
  const told: boolean[] = [];
  const news = [Promise.withResolvers<void>(), Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const outbox = outboxWith({
    connect: ledger.connect,
    patienceMs: 20,
    onReachable: (reachable) => news[told.push(reachable) - 1]?.resolve(),
  });
  outbox.start();
  await news[0]?.promise;
  t.equal(outbox.connected, true, "with nothing to acknowledge it is well");
  outbox.send(outbox.number([recordOf("a"), recordOf("b")]));
  await news[1]?.promise;
  t.same(told, [true, false]);
  t.equal(outbox.connected, false);
  t.equal(await outbox.hasAll(20), false);
  outbox.send(outbox.number([recordOf("c")]));
  const all = outbox.hasAll(60_000);
  ledger.goOn();
  t.equal(await all, true);
  t.same(told, [true, false, true]);
  t.equal(outbox.connected, true);
  t.same(outbox.waiting, []);
  await outbox.close();
});

t.test("a ledger that takes long for a lot of entries is not away while it gets on", async (t) => {
  const waiting: (() => void)[] = [];
  const told: boolean[] = [];
  const outbox = outboxWith({
    connect: async () => ({
      append: () => new Promise<void>((resolve) => waiting.push(resolve)),
      close: async () => {},
    }),
    patienceMs: 1_000,
    onReachable: (reachable) => told.push(reachable),
  });
  outbox.start();
  outbox.send(outbox.number(["a", "b", "c", "d", "e", "f"].map((subject) => recordOf(subject))));
  for (let n = 1; n <= 6; n += 1) {
    await outbox.settle(250);
    waiting[n - 1]?.();
  }
  t.equal(await outbox.hasAll(60_000), true);
  t.same(told, [true]);
  await outbox.close();
});
