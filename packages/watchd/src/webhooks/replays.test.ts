import { appendFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { Replays, rememberMs } from "./replays.ts";

async function fileIn(t: Test): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "daruma-replays-"));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  return join(directory, "state", "replays");
}

const nothing = async () => undefined;

t.test("once, also after a restart, by any of its keys, and for each route by itself", async (t) => {
  const path = await fileIn(t);
  const first = await Replays.open(path, 1_000);
  t.equal(await first.once("/a", ["id:1", "body:x"], 1_000, nothing), true);
  t.equal(await first.once("/a", ["id:1"], 1_000, nothing), false);
  await first.close();
  const second = await Replays.open(path, 2_000);
  t.teardown(() => second.close());
  t.equal(await second.once("/a", ["id:2", "body:x"], 2_000, nothing), false);
  t.equal(await second.once("/b", ["id:1"], 2_000, nothing), true);
  t.equal(await second.once("/a", [], 2_000, nothing), true);
  t.equal(await second.once("/a", [], 2_000, nothing), true, "without a key nothing is the same");
  t.notOk((await readFile(path, "utf8")).includes("id:1"), "a sender's words are not kept");
});

t.test("it is forgotten in time", async (t) => {
  const path = await fileIn(t);
  const replays = await Replays.open(path, 0);
  await replays.once("/a", ["id:1"], 0, nothing);
  t.equal(await replays.once("/a", ["id:1"], rememberMs - 1, nothing), false);
  t.equal(await replays.once("/a", ["id:1"], rememberMs, nothing), true);
  await replays.close();
  const later = await Replays.open(path, 3 * rememberMs);
  t.teardown(() => later.close());
  t.equal(await readFile(path, "utf8"), "");
});

t.test("many at once with one key are one; where it fails, the next takes its place", async (t) => {
  const replays = await Replays.open(await fileIn(t), 0);
  t.teardown(() => replays.close());
  let runs = 0;
  const take = async () => {
    runs += 1;
    await new Promise((resolve) => setImmediate(resolve));
    if (runs === 1) throw new Error("the disk is full");
  };
  const ended = await Promise.allSettled(
    Array.from({ length: 20 }, () => replays.once("/a", ["id:1"], 0, take)),
  );
  t.equal(runs, 2);
  t.equal(ended.filter(({ status }) => status === "rejected").length, 1);
  t.equal(ended.filter((each) => each.status === "fulfilled" && each.value).length, 1);
});

t.test("a line that a crash has cut short was never acknowledged", async (t) => {
  const path = await fileIn(t);
  const replays = await Replays.open(path, 0);
  await replays.once("/a", ["id:1"], 0, nothing);
  await replays.close();
  await appendFile(path, `${"a".repeat(64)} 99`);
  const again = await Replays.open(path, 0);
  t.equal(await again.once("/a", ["id:1"], 0, nothing), false);
  t.equal(await again.once("/a", ["id:2"], 0, nothing), true);
  await again.close();
  const last = await Replays.open(path, 0);
  t.teardown(() => last.close());
  t.equal(await last.once("/a", ["id:2"], 0, nothing), false);
});
