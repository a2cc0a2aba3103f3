import realFs from "node:fs/promises";
import { join } from "node:path";
import t, { type Test } from "tap";
import { createDirectoryGenerations } from "./directory.ts";
import { buildCode, hostSpec, resolveProgram, temporary, write } from "./fixtures/fleet.ts";

type Change = (...args: unknown[]) => Promise<unknown>;

/** node:fs/promises of a process that dies at its `deadline`th change: that one and all later ones do not happen. */
class MortalFs {
  deadline = 0;
  changes = 0;
  readonly functions: object;

  constructor() {
    const { chmod, copyFile, mkdir, rename, rm, symlink, utimes, writeFile } = realFs;
    const changing = { chmod, copyFile, mkdir, rename, rm, symlink, utimes, writeFile };
    const mortal = Object.entries(changing).map(([name, real]) => [name, this.#mortal(real as Change)]);
    this.functions = { ...realFs, ...Object.fromEntries(mortal) };
  }

  #mortal(real: Change): Change {
    return async (...args) => {
      this.changes += 1;
      if (this.changes === this.deadline && real.name === "rm") await removeSome(String(args[0]));
      if (this.changes >= this.deadline)
        throw Object.assign(new Error("the process is dead"), { code: "EDEAD" });
      return real(...args);
    };
  }
}

/** What `rm` has done when it dies in the middle. */
async function removeSome(path: string): Promise<void> {
  const [first] = await realFs.readdir(path).catch(() => []);
  if (first !== undefined) await realFs.rm(join(path, first), { recursive: true, force: true });
}

interface Subject {
  readonly buildGeneration: typeof import("./build.ts").buildGeneration;
  readonly createDirectoryGenerations: typeof import("./directory.ts").createDirectoryGenerations;
}

async function load(t: Test, fs: MortalFs): Promise<Subject> {
  const mocks = { "node:fs/promises": fs.functions };
  const build = await t.mockImport<typeof import("./build.ts")>("./build.ts", mocks);
  const directory = await t.mockImport<typeof import("./directory.ts")>("./directory.ts", mocks);
  return { ...build, ...directory };
}

/** One of everything that changes the directory. */
async function work(subject: Subject, directory: string): Promise<void> {
  const root = join(directory, "root");
  const generations = await subject.createDirectoryGenerations({ root });
  const old = (await generations.current())?.path ?? "";
  const request = { root, spec: hostSpec(), configDir: directory, resolveProgram };
  const { path } = await subject.buildGeneration(request);
  await generations.deploy(path);
  await generations.switchTo(old);
  await generations.markKnownGood(path, 2);
  await generations.switchTo(path);
  await generations.collectGarbage({ minAgeMs: 0 });
}

async function checkAll(t: Test, directory: string, expected: readonly string[]): Promise<void> {
  const generations = await createDirectoryGenerations({ root: join(directory, "root") });
  const current = await generations.current();
  t.ok(expected.includes(current?.path ?? "none"), "the old or the new generation is current");
  const kept = [current, ...(await generations.list()), ...(await generations.knownGood())];
  const store = join(directory, "root", "store");
  const named = (await realFs.readdir(store)).filter((name) => !name.startsWith("."));
  for (const path of new Set([
    ...kept.map((each) => each?.path ?? ""),
    ...named.map((name) => join(store, name)),
  ])) {
    t.same(await generations.verifyClosure(path), { ok: true });
  }
  await generations.collectGarbage({ minAgeMs: 0 });
  const left = await realFs.readdir(store);
  t.same(
    left.filter((name) => name.startsWith(".")),
    [],
    "what the crash left is garbage",
  );
  t.same(await generations.switchTo(kept.at(-1)?.path ?? ""), { ok: true }, "and it goes on");
  await generations.close();
}

t.test("a crash between any two steps leaves the old or the new generation current, and whole", async (t) => {
  const fs = new MortalFs();
  const subject = await load(t, fs);
  for (let died = true; died; ) {
    fs.deadline += 1;
    const directory = await temporary(t);
    const generations = await createDirectoryGenerations({ root: join(directory, "root") });
    await buildCode(directory, "garbage");
    const { path: old } = await buildCode(directory, "old");
    await generations.deploy(old);
    await generations.markKnownGood(old, 1);
    await generations.close();
    await write(directory, { "app/main.js": "new", "app/lib/more.js": "new" });
    fs.changes = 0;
    await work(subject, directory).catch((error: unknown) => {
      if (fs.changes < fs.deadline) throw error;
    });
    died = fs.changes >= fs.deadline;
    const { path: fresh } = await buildCode(directory, "new");
    await checkAll(t, directory, [old, fresh]);
  }
  t.ok(fs.deadline > 30, `${fs.deadline} steps`);
});
