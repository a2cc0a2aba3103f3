import type { JsonValue } from "@daruma/base";
import fc from "fast-check";
import t from "tap";
import { SimulatedDisk, seededRandom } from "./fixtures/simulated-disk.ts";
import { readJournal } from "./recover.ts";
import { createWriter } from "./writer.ts";

const outcome = (promise: Promise<void>): Promise<string> =>
  promise.then(
    () => "ok",
    (error: { code?: string; message: string }) => error.code ?? error.message,
  );

const sound = () => true;

t.test("records appended in one turn share one write and come back in order", async (t) => {
  const disk = new SimulatedDisk(8192, sound);
  const writer = createWriter({ files: disk.files, source: null, epoch: 0 });
  await writer.snapshot({ list: [] });
  const before = disk.writes;
  await Promise.all(["a", "b", "c"].map((name) => writer.append({ name })));
  t.equal(disk.writes - before, 1);
  t.same(readJournal(disk.contents), {
    recovered: { snapshot: { list: [] }, deltas: [{ name: "a" }, { name: "b" }, { name: "c" }] },
    source: 0,
    epoch: 1,
    damage: null,
  });
});

t.test("a snapshot replaces what came before it and uses the other file", async (t) => {
  const disk = new SimulatedDisk(8192, sound);
  const writer = createWriter({ files: disk.files, source: null, epoch: 0 });
  await writer.snapshot("one");
  await Promise.all([writer.append(1), writer.snapshot("two"), writer.append(2)]);
  t.match(readJournal(disk.contents), { recovered: { snapshot: "two", deltas: [2] }, source: 1, epoch: 2 });
  await writer.snapshot("three");
  t.same(readJournal(disk.contents), {
    recovered: { snapshot: "three", deltas: [] },
    source: 0,
    epoch: 3,
    damage: null,
  });
});

t.test("appending before the first snapshot is a bug", async (t) => {
  const writer = createWriter({ files: new SimulatedDisk(8192, sound).files, source: null, epoch: 0 });
  t.match(await outcome(writer.append(1)), /must be a snapshot/);
  t.equal(await outcome(writer.snapshot([])), "ok");
});

t.test("a value that is not JSON is refused and harms nothing", async (t) => {
  const disk = new SimulatedDisk(8192, sound);
  const writer = createWriter({ files: disk.files, source: null, epoch: 0 });
  await writer.snapshot([]);
  t.equal(await outcome(writer.append(Number.NaN)), "JSON_E_NOT_CANONICAL");
  t.equal(await outcome(writer.append(1)), "ok");
});

t.test(
  "says when half of the room is used, and refuses what does not fit until the next snapshot",
  async (t) => {
    const disk = new SimulatedDisk(4096, sound);
    const writer = createWriter({ files: disk.files, source: null, epoch: 0 });
    await writer.snapshot([]);
    t.equal(writer.nearlyFull, false);
    await writer.append("x".repeat(1600));
    t.equal(writer.nearlyFull, true);
    t.equal(await outcome(writer.append("y".repeat(1600))), "WATCHD_E_JOURNAL_FULL");
    t.equal(
      await outcome(writer.append(1)),
      "WATCHD_E_JOURNAL_FULL",
      "else a record would be missing in the middle",
    );
    t.match(readJournal(disk.contents), { recovered: { deltas: ["x".repeat(1600)] }, damage: null });
    await writer.snapshot([]);
    t.equal(writer.nearlyFull, false);
    t.equal(await outcome(writer.append(1)), "ok");
  },
);

t.test("a file grows where a snapshot needs it", async (t) => {
  const disk = new SimulatedDisk(4096, sound);
  const writer = createWriter({ files: disk.files, source: null, epoch: 0 });
  const state = "s".repeat(10_000);
  await writer.snapshot(state);
  t.equal(writer.nearlyFull, false);
  await writer.append(1);
  t.match(readJournal(disk.contents), { recovered: { snapshot: state, deltas: [1] }, damage: null });
});

t.test("a snapshot that cannot get its room is refused, and appending goes on", async (t) => {
  const disk = new SimulatedDisk(4096, sound);
  const noSpace = { grow: () => Promise.reject(Object.assign(new Error("ENOSPC"), { code: "ENOSPC" })) };
  const [first, second] = disk.files;
  const files = [
    { path: "0", size: 4096, write: first.write, ...noSpace },
    { path: "1", size: 4096, write: second.write, ...noSpace },
  ] as const;
  const writer = createWriter({ files, source: null, epoch: 0 });
  await writer.snapshot("s".repeat(2000));
  t.equal(await outcome(writer.snapshot("s".repeat(5000))), "WATCHD_E_JOURNAL_FULL");
  t.equal(await outcome(writer.append(1)), "ok");
  t.match(readJournal(disk.contents), { recovered: { deltas: [1] }, damage: null });
});

t.test("after a failed write appends are refused until a snapshot has succeeded", async (t) => {
  const failing = new Set([3, 4]);
  const disk = new SimulatedDisk(8192, (write) => !failing.has(write));
  const writer = createWriter({ files: disk.files, source: null, epoch: 0 });
  await writer.snapshot("old");
  await writer.append(1);
  t.equal(await outcome(writer.append(2)), "WATCHD_E_JOURNAL_WRITE");
  t.equal(await outcome(writer.append(3)), "WATCHD_E_JOURNAL_WRITE", "the write itself would have worked");
  t.equal(await outcome(writer.snapshot("lost")), "WATCHD_E_JOURNAL_WRITE");
  t.match(readJournal(disk.contents), { recovered: { snapshot: "old", deltas: [1] }, damage: null });
  await writer.snapshot("new");
  await writer.append(4);
  t.match(readJournal(disk.contents), { recovered: { snapshot: "new", deltas: [4] }, damage: null });
});

t.test(
  "after a failed snapshot nothing may follow the old one, which it may replace after a crash",
  async (t) => {
    const marks = new Set([5]);
    const disk = new SimulatedDisk(8192, (write) => !marks.has(write));
    const writer = createWriter({ files: disk.files, source: null, epoch: 0 });
    await writer.snapshot("one");
    await writer.snapshot("two");
    t.equal(await outcome(writer.snapshot("three")), "WATCHD_E_JOURNAL_WRITE", "its mark is what failed");
    t.match(readJournal(disk.contents), { recovered: { snapshot: "three" }, damage: null });
    t.equal(await outcome(writer.append(1)), "WATCHD_E_JOURNAL_WRITE");
    await writer.snapshot("four");
    await writer.append(1);
    t.match(readJournal(disk.contents), {
      recovered: { snapshot: "four", deltas: [1] },
      epoch: 4,
      damage: null,
    });
  },
);

type Step = { readonly snapshot: boolean; readonly sizes: readonly number[] };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    snapshot: fc.boolean(),
    sizes: fc.array(fc.integer({ min: 0, max: 900 }), { minLength: 1, maxLength: 4 }),
  }),
  { minLength: 1, maxLength: 8 },
);

const lives = fc.array(fc.record({ steps, crashAt: fc.integer({ min: 0, max: 14 }), seed: fc.nat() }), {
  minLength: 1,
  maxLength: 5,
});

t.test(
  "a crash in any write, several times over, loses nothing acknowledged and brings nothing back",
  async () => {
    await fc.assert(
      fc.asyncProperty(lives, async (lives) => {
        let crashAt = 0;
        let random = seededRandom(0);
        const disk = new SimulatedDisk(
          16_384,
          (write) => (write < crashAt ? true : write === crashAt ? "torn" : false),
          () => random(),
        );
        let history: string[] = [];
        let acknowledged = 0;
        for (const [life, plan] of lives.entries()) {
          const reading = readJournal(disk.contents);
          if (reading.damage !== null) throw new Error(`a crash looks like damage: ${reading.damage}`);
          const found = listOf(reading.recovered);
          if (found.length < acknowledged)
            throw new Error(`${acknowledged - found.length} acknowledged are lost`);
          if (found.some((name, at) => name !== history[at])) throw new Error("not a prefix of the history");
          history = found;
          acknowledged = found.length;
          crashAt = disk.writes + plan.crashAt;
          random = seededRandom(plan.seed);
          const writer = createWriter({ ...reading, files: disk.files });
          if ((await outcome(writer.snapshot([...history]))) !== "ok") continue;
          for (const [at, step] of plan.steps.entries()) {
            if (step.snapshot && (await outcome(writer.snapshot([...history]))) !== "ok") break;
            const names = step.sizes.map((size, index) => `${life}.${at}.${index}:${"x".repeat(size)}`);
            history.push(...names);
            const outcomes = await Promise.all(names.map((name) => outcome(writer.append(name))));
            if (outcomes.some((result) => result !== "ok")) break;
            acknowledged = history.length;
          }
        }
      }),
      { numRuns: 400 },
    );
  },
);

function listOf(recovered: { snapshot: JsonValue; deltas: readonly JsonValue[] } | null): string[] {
  return recovered === null ? [] : [...(recovered.snapshot as string[]), ...(recovered.deltas as string[])];
}
