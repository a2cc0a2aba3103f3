import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { systemCode } from "./errors.ts";
import { makeDirectories, replaceFile, syncDirectory, writeFileAtomic } from "./files.ts";

async function directoryFor(t: Test): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "daruma-files-"));
  t.teardown(() => rm(directory, { recursive: true }));
  return directory;
}

async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  return promise.then(
    () => undefined,
    (error: unknown) => systemCode(error) ?? "no code",
  );
}

t.test("a file is written with its mode, and the directories above it are made", async (t) => {
  const path = join(await directoryFor(t), "a/b/file");
  await writeFileAtomic(path, "one", 0o640);
  t.equal(await readFile(path, "utf8"), "one");
  t.equal((await stat(path)).mode & 0o777, 0o640);
});

t.test("a file is replaced as a whole, and nothing else is left in its directory", async (t) => {
  const directory = await directoryFor(t);
  const path = join(directory, "file");
  await writeFileAtomic(path, "a longer first text");
  await writeFileAtomic(path, new Uint8Array([0, 255]));
  t.same([...(await readFile(path))], [0, 255]);
  t.same(await readdir(directory), ["file"]);
  replaceFile(path, "shorter");
  t.equal(await readFile(path, "utf8"), "shorter");
  t.same(await readdir(directory), ["file"]);
});

t.test("whoever reads while the file is replaced sees one text or the other, never a mix", async (t) => {
  const path = join(await directoryFor(t), "file");
  const texts = ["a".repeat(100_000), "b".repeat(50_000)];
  await writeFileAtomic(path, texts[0] ?? "");
  let writing = true;
  const writes = (async () => {
    for (let turn = 0; turn < 20; turn++) await writeFileAtomic(path, texts[turn % 2] ?? "");
    writing = false;
  })();
  let mixes = 0;
  while (writing) if (!texts.includes(await readFile(path, "utf8"))) mixes += 1;
  await writes;
  t.equal(mixes, 0);
});

t.test("when it cannot be replaced, the old content stays and no temporary file is left", async (t) => {
  const directory = await directoryFor(t);
  const path = join(directory, "taken");
  await mkdir(path);
  await writeFile(join(path, "inside"), "kept");
  t.ok(["EISDIR", "ENOTEMPTY", "EEXIST"].includes((await codeOf(writeFileAtomic(path, "x"))) ?? ""));
  t.same(await readdir(directory), ["taken"]);
  t.equal(await readFile(join(path, "inside"), "utf8"), "kept");
});

t.test("a file in place of the directory is an error with the system's code", async (t) => {
  const directory = await directoryFor(t);
  await writeFile(join(directory, "file"), "");
  t.ok(["EEXIST", "ENOTDIR"].includes((await codeOf(writeFileAtomic(join(directory, "file/x"), "x"))) ?? ""));
});

// Permission bits do not stop root.
if (process.getuid?.() !== 0) {
  t.test("a directory that may not be written is an error", async (t) => {
    const directory = await directoryFor(t);
    await chmod(directory, 0o500);
    t.equal(await codeOf(writeFileAtomic(join(directory, "x"), "x")), "EACCES");
  });
}

t.test("a directory can be synced, one that is not there cannot", async (t) => {
  const directory = await directoryFor(t);
  await syncDirectory(directory);
  t.equal(await codeOf(syncDirectory(join(directory, "gone"))), "ENOENT");
});

t.test(
  "directories are made with those above them, again without complaint, and never under /proc",
  async (t) => {
    const root = await directoryFor(t);
    const path = join(root, "a", "b", "c");
    await makeDirectories(path);
    await makeDirectories(path);
    t.equal((await stat(path)).isDirectory(), true);
    await t.rejects(makeDirectories("/proc/1/nothing/here"));
    await writeFile(join(root, "file"), "");
    await t.rejects(makeDirectories(join(root, "file")), { code: "EEXIST" });
  },
);
