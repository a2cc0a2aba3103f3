import { readFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import t from "tap";
import { maxEntryBytes, prepareEntry, type SealedEntry, sealEntry, zeroHash } from "./entry.ts";
import { chainOf, draft } from "./test-support.ts";
import type { Verification } from "./verification.ts";
import { ChainVerifier } from "./verify.ts";
import { verifyLines } from "./verify-lines.ts";

const lines = (entries: readonly SealedEntry[]) => entries.map((entry) => entry.line);
const exportOf = (texts: readonly string[]) => Buffer.from(texts.map((text) => `${text}\n`).join(""));

async function verify(bytes: Buffer, chunkBytes = 64 * 1024): Promise<Verification> {
  async function* chunks() {
    for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
  }
  return await verifyLines(chunks());
}

/** The chain from `from` on, made again with right hashes and links: what the owner of the disk can do. */
function rewritten(entries: readonly SealedEntry[], from: number): readonly SealedEntry[] {
  const kept = entries.slice(0, from - 1);
  let prev = kept.at(-1)?.hash ?? zeroHash;
  const made = entries.slice(from - 1).map(({ seq }) => {
    const sealed = sealEntry(
      prepareEntry({ ...draft, subject: "agent/forged" }, "etl-01", "watchd"),
      prev,
      seq,
      "2026-11-23T10:00:00.000Z",
    );
    prev = sealed.hash;
    return sealed;
  });
  return [...kept, ...made];
}

t.test("a good chain verifies, and its head is told", async (t) => {
  const chain = chainOf(20);
  for (const chunkBytes of [1, 7, 1024 * 1024]) {
    t.same(await verify(exportOf(lines(chain)), chunkBytes), {
      ok: true,
      complete: true,
      entries: 20,
      firstSeq: 1,
      lastSeq: 20,
      headHash: chain.at(-1)?.hash,
      host: "etl-01",
      firstBad: null,
      extent: "complete",
      selection: null,
      trustLevel: "chain",
      treeSize: 20,
      signed: 0,
      witnessed: 0,
      unwitnessed: 20,
      witnesses: [],
      pruned: 0,
      payloads: 0,
      erased: [],
      clockSteps: 0,
    });
  }
});

t.test("the chain printed in docs/ledger-format.md verifies", async (t) => {
  const text = await readFile(join(import.meta.dirname, "../../../docs/ledger-format.md"), "utf8");
  const printed = text.split("\n").filter((line) => line.startsWith('{"action":'));
  t.match(await verify(exportOf(printed)), { ok: true, complete: true, entries: 2 });
});

t.test("a selection verifies from its own first prev, and is said to be one", async (t) => {
  t.match(await verify(exportOf(lines(chainOf(20)).slice(4, 9))), {
    ok: true,
    complete: false,
    entries: 5,
    firstSeq: 5,
    lastSeq: 9,
  });
});

t.test("attacks on the middle are named: the line, the number it should have, and why", async (t) => {
  const chain = chainOf(9);
  const good = lines(chain);
  const forged = lines(rewritten(chain, 5));
  const otherHost = lines(chainOf(9, "etl-02"));
  const cut = (text: string | undefined) => (text ?? "").slice(0, 40);
  const attacks: readonly (readonly [string, readonly (string | undefined)[], number, string])[] = [
    ["entry 5 deleted", good.toSpliced(4, 1), 5, "wrong-seq"],
    ["entries 5 to 7 deleted", good.toSpliced(4, 3), 5, "wrong-seq"],
    ["entries 5 and 6 swapped", good.with(4, good[5] ?? "").with(5, good[4] ?? ""), 5, "wrong-seq"],
    ["entry 5 doubled", good.toSpliced(4, 0, good[4] ?? ""), 6, "wrong-seq"],
    ["a forged entry put between 4 and 5", good.toSpliced(4, 0, forged[4] ?? ""), 6, "wrong-seq"],
    ["entry 5 replaced by a forged one that links back", good.with(4, forged[4] ?? ""), 6, "wrong-prev"],
    [
      "entry 5 replaced by that of another chain",
      good.with(4, lines(rewritten(chain, 4))[4] ?? ""),
      5,
      "wrong-prev",
    ],
    ["entry 5 replaced by that of another host", good.with(4, otherHost[4] ?? ""), 5, "wrong-host"],
    ["entry 5 cut in half", good.with(4, cut(good[4])), 5, "not-json"],
    ["an empty line", good.toSpliced(4, 0, ""), 5, "not-json"],
    ["lines joined", good.toSpliced(4, 2, `${good[4]}${good[5]}`), 5, "not-json"],
    ["another document", good.with(4, '{"hello":1}'), 5, "bad-version"],
    ["a line of 1 MiB", good.with(4, "x".repeat(1024 * 1024)), 5, "too-long"],
    ["order turned round", good.toReversed(), 2, "wrong-seq"],
  ];
  for (const [name, texts, line, reason] of attacks) {
    const result = await verify(exportOf(texts.map((text) => text ?? "")));
    const seq = name === "order turned round" ? 10 : line;
    t.match(result, { ok: false, entries: line - 1, firstBad: { line, seq, reason } }, name);
  }
});

t.test("the first entry must start from 64 zeros", async (t) => {
  const { line } = sealEntry(
    prepareEntry(draft, "etl-01", "watchd"),
    "1".repeat(64),
    1,
    "2026-11-23T10:00:00.000Z",
  );
  t.match(await verify(exportOf([line])), { ok: false, firstBad: { line: 1, seq: 1, reason: "wrong-prev" } });
});

t.test("every single changed bit of an export is found in its own line or the next", async (t) => {
  const bytes = exportOf(lines(chainOf(3)));
  const missed: string[] = [];
  let line = 1;
  for (let at = 0; at < bytes.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ (1 << bit);
      const { firstBad } = await verify(changed);
      if (firstBad === null || firstBad.line !== line)
        missed.push(`byte ${at} bit ${bit}: ${firstBad?.line}`);
    }
    if (bytes[at] === 0x0a) line += 1;
  }
  t.same(missed, []);
});

t.test("any single byte replaced by any other is found in that very line", async () => {
  const bytes = exportOf(lines(chainOf(5)));
  fc.assert(
    fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ change;
      const line = bytes.subarray(0, at).toString("latin1").split("\n").length;
      const { ok, firstBad } = await verify(changed);
      return !ok && firstBad?.line === line;
    }),
    { numRuns: 1000 },
  );
});

t.test("bytes that are not UTF-8 do not pass for the U+FFFD they would decode to", async (t) => {
  const prepared = prepareEntry({ ...draft, subject: "\ufffd" }, "etl-01", "watchd");
  const bytes = exportOf([sealEntry(prepared, zeroHash, 1, "2026-11-23T10:00:00.000Z").line]);
  t.ok((await verify(bytes)).ok);
  const at = bytes.indexOf("\ufffd");
  const changed = Buffer.concat([bytes.subarray(0, at), Buffer.from([0xff]), bytes.subarray(at + 3)]);
  t.match(await verify(changed), { ok: false, firstBad: { line: 1, reason: "not-utf8" } });
});

t.test("an export without an entry, or cut within its last line, does not verify", async (t) => {
  const bytes = exportOf(lines(chainOf(3)));
  t.match(await verify(Buffer.alloc(0)), {
    ok: false,
    entries: 0,
    firstBad: { seq: null, line: 1, reason: "empty" },
  });
  for (const cut of [1, 2, 100]) {
    const result = await verify(bytes.subarray(0, bytes.length - cut));
    t.match(
      result,
      { ok: false, entries: 2, firstBad: { seq: 3, line: 3, reason: "truncated" } },
      String(cut),
    );
  }
  t.match(await verify(Buffer.from("half")), { ok: false, firstBad: { line: 1, reason: "truncated" } });
});

t.test(
  "what a chain alone does not show: a cut tail, and a chain made again by the owner of the disk",
  async (t) => {
    const chain = chainOf(9);
    const cut = await verify(exportOf(lines(chain).slice(0, 6)));
    t.match(cut, { ok: true, complete: true, entries: 6 });
    t.not(cut.headHash, chain.at(-1)?.hash, "only a head kept elsewhere tells");
    const forged = await verify(exportOf(lines(rewritten(chain, 3))));
    t.match(forged, { ok: true, complete: true, entries: 9 });
    t.not(forged.headHash, chain.at(-1)?.hash, "only a head kept elsewhere tells");
  },
);

t.test("with a host given, entries of any other are bad from the first on", async (t) => {
  const verifier = new ChainVerifier("etl-02");
  const [entry] = chainOf(1);
  t.match(verifier.push(Buffer.from(entry?.line ?? "")), { reason: "wrong-host", line: 1, seq: 1 });
});

t.test("after the first bad entry nothing counts any more", async (t) => {
  const chain = chainOf(5);
  const verifier = new ChainVerifier();
  const results = [0, 1, 3, 2, 3].map((index) => verifier.push(Buffer.from(chain[index]?.line ?? "")));
  t.same(results.slice(0, 2), [null, null]);
  t.same(new Set(results.slice(2)).size, 1);
  t.match(verifier.result(), {
    ok: false,
    entries: 2,
    lastSeq: 2,
    firstBad: { line: 3, seq: 3, reason: "wrong-seq" },
  });
});

t.test("an entry of exactly the allowed size passes, a byte more does not", async (t) => {
  const ofSize = (bytes: number) => {
    const make = (text: string) =>
      sealEntry(
        prepareEntry({ ...draft, details: { text } }, "etl-01", "watchd"),
        zeroHash,
        1,
        "2026-11-23T10:00:00.000Z",
      ).line;
    return make("x".repeat(bytes - make("").length));
  };
  t.ok((await verify(exportOf([ofSize(maxEntryBytes)]))).ok);
  t.match(await verify(exportOf([ofSize(maxEntryBytes + 1)])), { firstBad: { reason: "too-long", line: 1 } });
});

t.test("no bytes make the verifier throw, and nothing that was not sealed passes", async () => {
  const chain = lines(chainOf(3));
  const line = fc.oneof(
    fc.constantFrom(...chain).map((text) => Buffer.from(text)),
    fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    fc.json().map((text) => Buffer.from(text)),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 6 }), (pushed) => {
      const verifier = new ChainVerifier();
      for (const bytes of pushed) verifier.push(bytes);
      const first = chain.indexOf(pushed[0]?.toString("utf8") ?? "");
      const straight = pushed.every((bytes, index) => bytes.toString("utf8") === chain[first + index]);
      return verifier.result().ok === (pushed.length === 0 || (first >= 0 && straight));
    }),
    { numRuns: 500 },
  );
});
