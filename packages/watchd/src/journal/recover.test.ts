import assert from "node:assert/strict";
import fc from "fast-check";
import t from "tap";
import { SimulatedDisk } from "./fixtures/simulated-disk.ts";
import { decodeFrame, encodeFrame, snapshotOffset } from "./frame.ts";
import { readJournal } from "./recover.ts";
import { createWriter } from "./writer.ts";

/** Epoch 1 in file 0, epoch 2 in file 1 with three records, the first two in one write. */
async function example(): Promise<{ files: [Buffer, Buffer]; ends: readonly number[] }> {
  const disk = new SimulatedDisk(4096, () => true);
  const writer = createWriter({ files: disk.files, source: null, epoch: 0 });
  await writer.snapshot("old");
  await writer.append("gone");
  await writer.snapshot("new");
  await Promise.all([writer.append("first"), writer.append("second")]);
  await writer.append("third");
  const ends: number[] = [];
  for (let at = snapshotOffset, frame = decodeFrame(disk.contents[1], at); frame !== null; ) {
    ends.push(frame.end);
    at = frame.end;
    frame = decodeFrame(disk.contents[1], at);
  }
  return { files: disk.contents, ends };
}

const deltas = ["first", "second", "third"];

function flipped(file: Buffer, offset: number, bit = 0): Buffer {
  const copy = Buffer.from(file);
  copy[offset] = (copy[offset] ?? 0) ^ (1 << bit);
  return copy;
}

t.test("a flipped bit anywhere in the tail leaves exactly what came before it", async (t) => {
  const { files, ends } = await example();
  const [snapshotEnd = 0, firstEnd = 0, secondEnd = 0, thirdEnd = 0] = ends;
  for (let offset = snapshotEnd; offset < thirdEnd; offset += 1) {
    const { recovered, damage } = readJournal([files[0], flipped(files[1], offset, offset % 8)]);
    const whole = offset < firstEnd ? 0 : offset < secondEnd ? 1 : 2;
    // The last write may be a torn one; what came before it was acknowledged.
    assert.equal(damage !== null, whole < 2, `offset ${offset}`);
    assert.deepEqual(recovered, { snapshot: "new", deltas: deltas.slice(0, whole) }, `offset ${offset}`);
  }
  t.ok(thirdEnd > snapshotEnd + 100, "there was a tail to damage");
});

t.test("a file cut anywhere in the tail leaves exactly what came before the cut", async (t) => {
  const { files, ends } = await example();
  const [snapshotEnd = 0, ...recordEnds] = ends;
  for (let offset = snapshotEnd; offset < 4096; offset += 1) {
    const cut = Buffer.concat([files[1].subarray(0, offset), Buffer.alloc(4096 - offset)]);
    // A payload that ends in zeros does not exist: so a record is whole only if all of it is before the cut.
    const whole = recordEnds.filter((end) => end <= offset).length;
    const { recovered } = readJournal([files[0], cut]);
    assert.deepEqual(recovered, { snapshot: "new", deltas: deltas.slice(0, whole) }, `offset ${offset}`);
  }
  t.equal(recordEnds.length, 3);
});

t.test("a damaged snapshot that was acknowledged is damage, not an older state", async (t) => {
  const { files, ends } = await example();
  for (let offset = snapshotOffset; offset < (ends[0] ?? 0); offset += 1) {
    const { damage, ...rest } = readJournal([files[0], flipped(files[1], offset)]);
    assert.notEqual(damage, null, `offset ${offset}`);
    // For whoever accepts the loss; the next snapshot must be newer than the lost one.
    assert.deepEqual(rest, { recovered: { snapshot: "old", deltas: ["gone"] }, source: 0, epoch: 2 });
  }
  t.equal(readJournal(files).damage, null);
});

t.test("damage to the file that is not in use changes nothing", async (t) => {
  const { files } = await example();
  const expected = readJournal(files);
  for (let offset = 16; offset < 1200; offset += 1) {
    assert.deepEqual(readJournal([flipped(files[0], offset), files[1]]), expected, `offset ${offset}`);
  }
  t.same(expected.recovered, { snapshot: "new", deltas });
});

t.test("what an earlier epoch left behind a new snapshot is not taken for its continuation", async (t) => {
  const disk = new SimulatedDisk(4096, () => true);
  const writer = createWriter({ files: disk.files, source: null, epoch: 0 });
  await writer.snapshot("a");
  await writer.append("stale");
  await writer.snapshot("b");
  await writer.snapshot("c");
  const { end } = decodeFrame(disk.contents[0], snapshotOffset) ?? { end: 0 };
  t.match(decodeFrame(disk.contents[0], end), { kind: "record", epoch: 1, seq: 1 }, "it is there and whole");
  t.same(readJournal(disk.contents).recovered, { snapshot: "c", deltas: [] });
});

t.test("a record out of sequence ends the replay", async (t) => {
  const { files, ends } = await example();
  const [snapshotEnd = 0, firstEnd = 0] = ends;
  files[1].copyWithin(snapshotEnd, firstEnd);
  t.match(
    decodeFrame(files[1], snapshotEnd),
    { kind: "record", epoch: 2, seq: 2 },
    "the first one is missing",
  );
  t.same(readJournal(files).recovered, { snapshot: "new", deltas: [] });
});

t.test("files that are blank, or hold only a first snapshot that was torn, are a new journal", async (t) => {
  const fresh = { recovered: null, source: null, epoch: 0, damage: null };
  t.same(readJournal(new SimulatedDisk(4096, () => true).contents), fresh);
  const disk = new SimulatedDisk(
    4096,
    () => "torn",
    (() => {
      let sector = 0;
      return () => (sector++ === 0 ? 0 : 1);
    })(),
  );
  const writer = createWriter({ files: disk.files, source: null, epoch: 0 });
  await t.rejects(writer.snapshot("x".repeat(2000)), { code: "WATCHD_E_JOURNAL_WRITE" });
  t.not(disk.contents[0][snapshotOffset], 0, "a part of it is there");
  t.same(readJournal(disk.contents), fresh);
});

t.test("a first snapshot that was acknowledged and is not readable is damage", async (t) => {
  const disk = new SimulatedDisk(4096, () => true);
  await createWriter({ files: disk.files, source: null, epoch: 0 }).snapshot("state");
  const wiped = Buffer.alloc(4096);
  t.match(readJournal([wiped, disk.contents[1]]), { recovered: null, epoch: 1, damage: /not readable/ });
  const noise = Buffer.alloc(4096, 7);
  t.match(readJournal([noise, noise]), { recovered: null, damage: /neither file/ });
});

t.test("a frame comes back as it was, and never from other bytes", async () => {
  const head = fc.record({
    kind: fc.constantFrom("mark" as const, "snapshot" as const, "record" as const),
    epoch: fc.maxSafeNat(),
    seq: fc.maxSafeNat(),
    durable: fc.maxSafeNat(),
  });
  fc.assert(
    fc.property(head, fc.uint8Array(), fc.nat({ max: 40 }), fc.nat(), (head, bytes, before, flip) => {
      const file = Buffer.concat([Buffer.alloc(before), encodeFrame(head, bytes)]);
      const payload = Buffer.from(bytes);
      assert.deepEqual(decodeFrame(file, before), { ...head, payload, end: file.length });
      assert.equal(decodeFrame(file.subarray(0, -1), before), null);
      const at = before + (flip % (file.length - before));
      assert.equal(decodeFrame(flipped(file, at, flip % 8), before), null);
    }),
  );
});
