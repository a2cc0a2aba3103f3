import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StoredEntry } from "@daruma/ledger";
import fc from "fast-check";
import t from "tap";
import { agentctlErrors } from "../catalogue.ts";
import { inBatches } from "./batches.ts";
import { readCursor, writeCursor } from "./cursor.ts";
import { parseDestination } from "./destination.ts";
import { storedEntries } from "./fixtures/entries.ts";
import { headersOf, retryAfterMs } from "./http-sink.ts";
import { pump } from "./pump.ts";
import { lastOf, neverFails, Passing, type Sink, type SinkOptions } from "./sink.ts";

async function* listed<T>(items: readonly T[]): AsyncGenerator<T, void, undefined> {
  yield* items;
}

t.test("what comes together goes together, within the limits, and nothing is left out", async () => {
  const bounds = { most: fc.integer({ min: 1, max: 5 }), mostBytes: fc.integer({ min: 1, max: 20 }) };
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(9)), fc.record(bounds), async (items, { most, mostBytes }) => {
      const batches: (readonly number[])[] = [];
      const limits = { most, mostBytes, bytesOf: (item: number) => item, lingerMs: 1 };
      for await (const batch of inBatches(listed(items), limits)) batches.push(batch);
      const sizes = batches.map((batch) => batch.slice(0, -1).reduce((sum, item) => sum + item, 0));
      return (
        JSON.stringify(batches.flat()) === JSON.stringify(items) &&
        batches.every(({ length }) => length >= 1 && length <= most) &&
        sizes.every((size) => size < mostBytes)
      );
    }),
  );
});

t.test(
  "however a receiver fails, it gets every entry at least once, in order, and the cursor never runs ahead",
  async (t) => {
    const total = 1_200;
    const all = storedEntries(1, total);
    const fault = fc.constantFrom("no", "open", "before", "after", "unsettled");
    await fc.assert(
      fc.asyncProperty(fc.array(fault, { maxLength: 12 }), fc.nat(total), async (faults, from) => {
        const received: number[] = [];
        let cursor = from;
        let script = [...faults];
        const take = () => {
          const [next = "no", ...rest] = script;
          script = rest;
          return next;
        };
        const open = async ({ onAcknowledged }: SinkOptions): Promise<Sink> => {
          if (take() === "open") throw new Passing("nobody listens");
          let unsettled: readonly StoredEntry[] = [];
          return {
            async send(entries) {
              const what = take();
              if (what === "before") throw new Passing("it broke");
              received.push(...entries.map(({ entry }) => entry.seq));
              if (what === "after") throw new Passing("it broke after it had taken them");
              unsettled = entries;
              const last = lastOf(entries);
              if (what !== "unsettled" && last !== null) await onAcknowledged(last);
            },
            failed: neverFails(),
            async finish() {
              const last = lastOf(unsettled);
              if (last !== null) await onAcknowledged(last);
            },
            close() {},
          };
        };
        const sent = await pump({
          from: from === 0 ? null : { seq: from, hash: "" },
          entries: (after) => listed(all.slice(after)),
          open,
          keep: async ({ seq }) => {
            t.ok(seq >= cursor && received.includes(seq), "only what was received is acknowledged");
            cursor = seq;
          },
          onTrouble: () => {},
          patienceMs: 60_000,
          signal: new AbortController().signal,
          firstPauseMs: 0,
        });
        const seen = new Set(received);
        // A jump forward leaves nothing out: whatever comes first came after all that is before it.
        const inOrder = received.every((seq) => seq === from + 1 || seen.has(seq - 1));
        return sent === total - from && cursor === total && seen.size === total - from && inOrder;
      }),
      { numRuns: 30 },
    );
  },
);

t.test("what would fail again ends the stream, and so does the end of patience", async (t) => {
  const options = {
    from: null,
    entries: () => listed(storedEntries(1, 1)),
    keep: async () => {},
    onTrouble: () => {},
    signal: new AbortController().signal,
    firstPauseMs: 0,
  };
  const refused = agentctlErrors.make("STREAM_E_REFUSED", "401");
  const failing = (error: Error) => async () => {
    throw error;
  };
  await t.rejects(pump({ ...options, patienceMs: 60_000, open: failing(refused) }), {
    code: "STREAM_E_REFUSED",
  });
  await t.rejects(pump({ ...options, patienceMs: -1, open: failing(new Passing("away")) }), /away/);
  const stop = new AbortController();
  stop.abort(new Error("stopped"));
  const stopped = { ...options, patienceMs: 60_000, signal: stop.signal };
  await t.rejects(pump({ ...stopped, open: failing(new Passing("away")) }), /stopped/);
});

t.test("a cursor is read as it was written, and nothing else passes for one", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "daruma-cursor-"));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, "cursor");
  t.equal(await readCursor(path), null);
  const position = { seq: 7, hash: "a".repeat(64) };
  await writeCursor(path, position);
  t.same(await readCursor(path), position);
  for (const text of [
    "",
    "7",
    "null",
    '{"schemaVersion":2,"seq":7,"hash":"a"}',
    '{"schemaVersion":1,"seq":0}',
  ]) {
    writeFileSync(path, text);
    await t.rejects(readCursor(path), { code: "STREAM_E_CURSOR" }, text);
  }
  await t.rejects(readCursor(directory), { code: "STREAM_E_CURSOR" });
  await t.rejects(writeCursor(directory, position), { code: "STREAM_E_CURSOR" });
});

t.test("where to and in which format must go together", async (t) => {
  t.same(parseDestination("-", "otlp"), { kind: "stdout" });
  t.same(parseDestination("tls://[::1]:6514", "syslog"), {
    kind: "socket",
    tls: true,
    host: "::1",
    port: 6514,
  });
  t.same(parseDestination("tcp://siem:514/", "jsonl"), {
    kind: "socket",
    tls: false,
    host: "siem",
    port: 514,
  });
  t.same(parseDestination("http://c:4318/v1/logs", "otlp"), { kind: "http", url: "http://c:4318/v1/logs" });
  for (const [to, format] of [
    ["siem:514", "syslog"],
    ["tcp://siem", "syslog"],
    ["tcp://siem:514/path", "syslog"],
    ["udp://siem:514", "syslog"],
    ["tcp://siem:514", "otlp"],
    ["http://c/v1/logs", "syslog"],
    ["http://user:secret@c/v1/logs", "otlp"],
    ["", "jsonl"],
  ] as const) {
    t.throws(() => parseDestination(to, format), { code: "CLI_E_USAGE" }, to);
  }
});

t.test("headers and pauses are read as their standards have them", async (t) => {
  t.same(headersOf("authorization=Bearer%20s3cret, x-tenant=a=b,"), {
    authorization: "Bearer s3cret",
    "x-tenant": "a=b",
  });
  t.same(headersOf(undefined), {});
  for (const text of ["=x", "secret", "a=%", "a b=c", "a=b%0Ac"]) {
    t.throws(() => headersOf(text), { code: "CLI_E_USAGE" }, text);
  }
  t.equal(retryAfterMs("7"), 7_000);
  t.equal(retryAfterMs("Mon, 23 Nov 2026 10:00:05 GMT", Date.parse("2026-11-23T10:00:00Z")), 5_000);
  t.equal(retryAfterMs("soon"), null);
  t.equal(retryAfterMs(null), null);
});
