import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { snapshotOffset } from "./frame.ts";
import { type Journal, type JournalOptions, openJournal } from "./journal.ts";

async function temporary(t: Test): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "daruma-journal-"));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

async function open(t: Test, dir: string, options: Partial<JournalOptions> = {}): Promise<Journal> {
  const journal = await openJournal({ dir, capacityBytes: 8192, ...options });
  t.teardown(() => journal.close());
  return journal;
}

async function invertByte(path: string, offset: number): Promise<void> {
  const content = await readFile(path);
  content[offset] = 255 - (content[offset] ?? 0);
  await writeFile(path, content);
}

t.test("what was appended is there again after the journal is opened anew", async (t) => {
  const dir = join(await temporary(t), "made", "here");
  const first = await open(t, dir);
  t.equal(first.recovered, null);
  await first.snapshot({ agents: {} });
  await first.append({ event: "exit", text: "é\u0000\n" });
  await first.append([1, null, true]);
  await first.close();
  const second = await open(t, dir);
  t.same(second.recovered, {
    snapshot: { agents: {} },
    deltas: [{ event: "exit", text: "é\u0000\n" }, [1, null, true]],
  });
  t.equal(second.loss, null);
  await second.snapshot("all of it");
  t.equal(second.recovered, null, "it is let go of");
});

t.test("a journal that was opened and never written to stays empty", async (t) => {
  const dir = await temporary(t);
  await (await open(t, dir)).close();
  t.equal((await open(t, dir)).recovered, null);
});

t.test("close waits for what is being written, may be called again, and ends the journal", async (t) => {
  const dir = await temporary(t);
  const journal = await open(t, dir);
  const writes = [journal.snapshot(0), journal.append(1)];
  await Promise.all([journal.close(), journal.close()]);
  await Promise.all(writes);
  await t.rejects(journal.append(2), /closed/);
  t.same((await open(t, dir)).recovered, { snapshot: 0, deltas: [1] });
});

t.test("no write needs a new block of the file system", async (t) => {
  const dir = await temporary(t);
  const journal = await open(t, dir, { capacityBytes: 256 * 1024 });
  const usage = () =>
    Promise.all(
      ["journal-0", "journal-1"].map(async (name) => {
        const { size, blocks } = await stat(join(dir, name));
        return { size, blocks };
      }),
    );
  const before = await usage();
  for (const { size, blocks } of before)
    t.ok(size === 256 * 1024 && blocks * 512 >= size, "really allocated");
  for (let round = 0; round < 3; round += 1) {
    await journal.snapshot("s".repeat(50_000));
    while (!journal.nearlyFull) await journal.append("r".repeat(10_000));
  }
  t.same(await usage(), before);
});

t.test("a file that a crash left short is filled up, and one that is longer is kept", async (t) => {
  const dir = await temporary(t);
  await writeFile(join(dir, "journal-0"), Buffer.alloc(100));
  await writeFile(join(dir, "journal-1"), "");
  const journal = await open(t, dir, { capacityBytes: 32_768 });
  await journal.snapshot("a");
  await journal.close();
  t.equal((await stat(join(dir, "journal-1"))).size, 32_768);
  const again = await open(t, dir, { capacityBytes: 4096 });
  t.equal(again.recovered?.snapshot, "a");
  t.equal((await stat(join(dir, "journal-1"))).size, 32_768);
});

t.test("a second owner is refused, whatever path it comes by, until the first has closed", async (t) => {
  const dir = await temporary(t);
  const alias = join(await temporary(t), "alias");
  await symlink(dir, alias);
  const journal = await open(t, dir);
  await t.rejects(openJournal({ dir }), { code: "WATCHD_E_ALREADY_RUNNING" });
  await t.rejects(openJournal({ dir: alias }), { code: "WATCHD_E_ALREADY_RUNNING" });
  await open(t, await temporary(t));
  await journal.close();
  await t.resolves(open(t, alias));
});

t.test("damage is an error, and stays as it is until a person accepts the loss", async (t) => {
  const dir = await temporary(t);
  const journal = await open(t, dir);
  await journal.snapshot("old");
  await journal.append(1);
  await journal.snapshot("new");
  await journal.close();
  await invertByte(join(dir, "journal-1"), snapshotOffset + 37);
  const damaged = await readFile(join(dir, "journal-1"));
  await t.rejects(openJournal({ dir, capacityBytes: 8192 }), { code: "WATCHD_E_JOURNAL_DAMAGED" });
  t.ok((await readFile(join(dir, "journal-1"))).equals(damaged));

  const accepted = await open(t, dir, { acceptLoss: true });
  t.same(accepted.recovered, { snapshot: "old", deltas: [1] });
  const copies = accepted.loss?.copies ?? [];
  t.ok((await readFile(copies[1] ?? "")).equals(damaged));
  await accepted.snapshot("after");
  await accepted.close();
  t.same((await open(t, dir)).recovered, { snapshot: "after", deltas: [] });
  t.equal((await readdir(dir)).length, 4, "the copies are kept");
});

t.test("without damage, accepting loss changes nothing", async (t) => {
  const dir = await temporary(t);
  const journal = await open(t, dir, { acceptLoss: true });
  await journal.snapshot(1);
  await journal.close();
  const again = await open(t, dir, { acceptLoss: true });
  t.equal(again.recovered?.snapshot, 1);
  t.equal(again.loss, null);
  t.same((await readdir(dir)).sort(), ["journal-0", "journal-1"]);
});

t.test("the format of another release is refused and left alone", async (t) => {
  const dir = await temporary(t);
  await (await open(t, dir)).close();
  await invertByte(join(dir, "journal-0"), 15);
  const before = await readFile(join(dir, "journal-0"));
  await t.rejects(openJournal({ dir }), { code: "WATCHD_E_JOURNAL_VERSION" });
  t.ok((await readFile(join(dir, "journal-0"))).equals(before));
});

t.test("a directory that cannot be used is named", async (t) => {
  const dir = await temporary(t);
  const file = join(dir, "file");
  await writeFile(file, "");
  await t.rejects(openJournal({ dir: file }), { code: "WATCHD_E_JOURNAL_UNUSABLE", where: file });
  await t.rejects(openJournal({ dir: join(file, "below") }), { code: "WATCHD_E_JOURNAL_UNUSABLE" });
});

t.test("kill -9 loses nothing acknowledged and gives the lock back though a child lives on", async (t) => {
  const dir = await temporary(t);
  const script = join(import.meta.dirname, "fixtures", "append-forever.ts");
  let acknowledged = 0;
  for (let round = 0; round < 4; round += 1) {
    const writer = spawn(process.execPath, [script, dir], { stdio: ["ignore", "pipe", "inherit"] });
    t.teardown(() => writer.kill("SIGKILL"));
    let output = "";
    const lines = 100 + 70 * round;
    await new Promise<void>((resolve) => {
      writer.stdout.on("data", (chunk) => {
        output += String(chunk);
        if (output.split("\n").length > lines) resolve();
      });
      writer.stdout.on("end", resolve);
    });
    const ended = writer.exitCode === null ? once(writer, "exit") : null;
    writer.kill("SIGKILL");
    await ended;
    const [first = "", ...numbers] = output.split("\n").slice(0, -1);
    const child = Number(first.replace("child ", ""));
    t.teardown(() => process.kill(child, "SIGKILL"));
    t.ok(process.kill(child, 0), "the child is still there");
    acknowledged = Math.max(acknowledged, ...numbers.map(Number));
    const journal = await openJournal({ dir, capacityBytes: 8192 });
    const { snapshot, deltas } = journal.recovered ?? { snapshot: null, deltas: [] };
    await journal.close();
    t.ok(Number(deltas.at(-1) ?? snapshot) >= acknowledged, `${acknowledged} are there`);
    const all = [Number(snapshot), ...deltas.map(Number)];
    t.same(
      all,
      Array.from(all, (_, index) => Number(snapshot) + index),
      "without a gap",
    );
    acknowledged = all.at(-1) ?? 0;
  }
});
