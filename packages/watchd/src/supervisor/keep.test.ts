import t, { type Test } from "tap";
import { type Journal, openJournal } from "../journal/journal.ts";
import { keep } from "./keep.ts";

async function small(t: Test): Promise<Journal> {
  const journal = await openJournal({ dir: t.testdir({}), capacityBytes: 8_192 });
  t.teardown(() => journal.close());
  await journal.snapshot({ at: 0 });
  return journal;
}

t.test(
  "what fits is appended; what does not fit is in a snapshot, and later changes are appended again",
  async (t) => {
    const journal = await small(t);
    const kept: string[] = [];
    const change = (name: string, bytes: number) => ({
      delta: () => {
        kept.push(`delta ${name}`);
        return { name, text: "x".repeat(bytes) };
      },
      snapshot: () => {
        kept.push(`snapshot ${name}`);
        return { name, text: "x".repeat(bytes) };
      },
    });
    await keep(journal, change("small", 100));
    await keep(journal, change("large", 100_000));
    await keep(journal, change("next", 100));
    t.same(kept, ["delta small", "delta large", "snapshot large", "delta next"]);
  },
);

t.test("a disk that refuses is an error, and no reason for a snapshot", async (t) => {
  const journal = await small(t);
  const refused = new Error("the disk is gone");
  const failing = { ...journal, nearlyFull: false, append: () => Promise.reject(refused) };
  await t.rejects(keep(failing, { delta: () => 1, snapshot: () => t.fail("no snapshot") as never }), refused);
});
