import { chmod, mkdir, readdir, readFile, rename, symlink, utimes, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import t, { type Test } from "tap";
import { removeTree } from "./copy-tree.ts";
import { createDirectoryGenerations, type DirectoryGenerations } from "./directory.ts";
import { agentSpec, build, buildCode, hostSpec, temporary, write } from "./fixtures/fleet.ts";

async function open(t: Test, directory: string): Promise<DirectoryGenerations> {
  const generations = await createDirectoryGenerations({ root: join(directory, "root") });
  t.teardown(() => generations.close());
  return generations;
}

async function deployCode(
  directory: string,
  generations: DirectoryGenerations,
  code: string,
): Promise<string> {
  const { path } = await buildCode(directory, code);
  await generations.deploy(path);
  return path;
}

const storeNames = (directory: string) => readdir(join(directory, "root", "store"));
const profileNames = async (directory: string) => (await readdir(join(directory, "root", "profiles"))).sort();

async function makeOld(directory: string): Promise<void> {
  for (const name of await storeNames(directory)) await utimes(join(directory, "root", "store", name), 1, 1);
}

t.test("before the first deploy there is nothing", async (t) => {
  const generations = await open(t, await temporary(t));
  t.equal(await generations.current(), null);
  t.same(await generations.list(), []);
  t.same(await generations.knownGood(), []);
  t.same(await generations.collectGarbage({ minAgeMs: 0 }), []);
});

t.test("each deploy of another path is a new number, of the current path none", async (t) => {
  const directory = await temporary(t);
  const generations = await open(t, directory);
  const { path, manifest } = await buildCode(directory, "one");
  const before = Date.now();
  t.same(await generations.deploy(path), { number: 1, path, unchanged: false });
  t.same(await generations.deploy(path), { number: 1, path, unchanged: true });
  t.same(await generations.current(), { number: 1, path, manifest });
  const second = await deployCode(directory, generations, "two");
  t.same(await generations.deploy(path), { number: 3, path, unchanged: false });
  const list = await generations.list();
  t.same(
    list.map((each) => [each.number, each.path, each.current]),
    [
      [1, path, false],
      [2, second, false],
      [3, path, true],
    ],
  );
  for (const { createdAt } of list) t.ok(Math.abs(createdAt - before) < 60_000);
  t.equal(await generations.find(2), second);
  await t.rejects(generations.find(4), { code: "GENERATION_E_NOT_FOUND" });
});

t.test(
  "a switch goes to the newest number of a path, makes one if there is none, and may be repeated",
  async (t) => {
    const directory = await temporary(t);
    const generations = await open(t, directory);
    const first = await deployCode(directory, generations, "one");
    const second = await deployCode(directory, generations, "two");
    await generations.deploy(first);
    await generations.deploy(second);
    for (let time = 0; time < 2; time += 1) {
      t.same(await generations.switchTo(first), { ok: true });
      t.equal((await generations.current())?.number, 3);
    }
    const { path: never } = await buildCode(directory, "three");
    t.same(await generations.switchTo(never), { ok: true });
    t.equal((await generations.current())?.number, 5);
    t.equal((await (await open(t, directory)).current())?.path, never, "another instance sees the same");
  },
);

t.test("nothing is switched or deployed to a path that is not whole", async (t) => {
  const directory = await temporary(t);
  const generations = await open(t, directory);
  const current = await deployCode(directory, generations, "one");
  const { path, manifest } = await buildCode(directory, "two");
  await removeTree(join(manifest.agents.app?.command[1] ?? "", ".."));
  const source = join((await generations.current())?.manifest.agents.app?.command[1] ?? "", "..");
  for (const bad of [path, `${current}x`, directory, source, "/", "", `${current}/host.json`]) {
    t.equal((await generations.switchTo(bad)).ok, false, bad);
    await t.rejects(generations.deploy(bad), { code: "GENERATION_E_NOT_FOUND" });
    await t.rejects(generations.markKnownGood(bad, 1), { code: "GENERATION_E_NOT_FOUND" });
  }
  t.equal((await generations.current())?.path, current);
  t.equal((await generations.list()).length, 1);
});

t.test("a current generation whose manifest is gone is corrupt, not absent", async (t) => {
  const directory = await temporary(t);
  const generations = await open(t, directory);
  const path = await deployCode(directory, generations, "one");
  await removeTree(path);
  await t.rejects(generations.current(), { code: "GENERATION_E_CORRUPT" });
  await removeTree(join(directory, "root", "profiles", "system-1-link"));
  await t.rejects(generations.current(), { code: "GENERATION_E_CORRUPT" });
  await rename(join(directory, "root", "profiles", "system"), join(directory, "aside"));
  await mkdir(join(directory, "root", "profiles", "system"));
  await t.rejects(generations.current(), { code: "GENERATION_E_CORRUPT" });
  t.equal((await generations.switchTo(path)).ok, false);
});

t.test("the newest three promotions stay, newest first, whatever the clock says", async (t) => {
  const directory = await temporary(t);
  const generations = await open(t, directory);
  const paths: string[] = [];
  for (const [index, code] of ["a", "b", "c", "d"].entries()) {
    paths.push(await deployCode(directory, generations, code));
    await generations.markKnownGood(paths[index] ?? "", 1000 - index);
  }
  const [a = "", b = "", c = "", d = ""] = paths;
  const known = async (each: DirectoryGenerations) =>
    (await each.knownGood()).map((good) => [good.path, good.promotedAt]);
  const expected = [
    [d, 997],
    [c, 998],
    [b, 999],
  ];
  t.same(await known(generations), expected);
  await generations.markKnownGood(c, 998);
  t.same(await known(generations), expected, "the same promotion again changes nothing");
  t.same(await known(await open(t, directory)), expected, "nor does a restart");
  await generations.markKnownGood(b, 2000);
  t.same(await known(generations), [
    [b, 2000],
    [d, 997],
    [c, 998],
  ]);
  await generations.markKnownGood(a, 3000);
  t.same(
    (await known(generations)).map(([path]) => path),
    [a, b, d],
  );
  t.equal((await readdir(join(directory, "root", "gcroots", "known-good"))).length, 3);
});

t.test(
  "a known-good generation tells its digests and its newest number; one whose files are gone is left out",
  async (t) => {
    const directory = await temporary(t);
    const generations = await open(t, directory);
    await write(directory, { "app/main.js": "1" });
    const spec = hostSpec({ app: agentSpec(), more: agentSpec({ environment: { A: "1" } }) });
    const { path, manifest } = await build(directory, spec);
    await generations.markKnownGood(path, 5);
    const good = {
      path,
      number: null,
      hostDigest: manifest.hostDigest,
      digests: { app: manifest.agents.app?.digest, more: manifest.agents.more?.digest },
      promotedAt: 5,
    };
    t.same(await generations.knownGood(), [good]);
    await generations.deploy(path);
    t.same(await generations.knownGood(), [{ ...good, number: 1 }]);
    await removeTree(path);
    t.same(await generations.knownGood(), []);
  },
);

t.test("verifying a closure names every path that is not what its hash says", async (t) => {
  const directory = await temporary(t);
  const generations = await open(t, directory);
  const { path, manifest } = await buildCode(directory, "good");
  t.same(await generations.verifyClosure(path), { ok: true });
  const file = manifest.agents.app?.command[1] ?? "";
  const source = join(file, "..");
  const problemsOf = async (path: string) => {
    const verdict = await generations.verifyClosure(path);
    return verdict.ok ? [] : verdict.problems;
  };
  await chmod(file, 0o644);
  await writeFile(file, "evil");
  t.match(await problemsOf(path), [source]);
  await writeFile(file, "good");
  t.same(await problemsOf(path), []);
  await chmod(path, 0o755);
  await chmod(join(path, "host.json"), 0o644);
  await writeFile(join(path, "host.json"), `${await readFile(join(path, "host.json"), "utf8")} `);
  await removeTree(source);
  const problems = await problemsOf(path);
  t.equal(problems.length, 2);
  t.match(problems[0], path);
  t.match(problems[1], source);
  t.equal((await problemsOf(`${path}x`)).length, 1);
  t.equal((await problemsOf("/etc")).length, 1);
});

t.test(
  "garbage collection keeps ten numbers, the current one, known-good ones, and what is new",
  async (t) => {
    const directory = await temporary(t);
    const generations = await open(t, directory);
    const paths: string[] = [];
    for (let index = 1; index <= 14; index += 1) {
      paths.push(await deployCode(directory, generations, `code ${index}`));
    }
    const [first = "", second = "", third = ""] = paths;
    await generations.markKnownGood(second, 1);
    await generations.switchTo(first);
    await write(directory, { "root/store/.tmp-00/left": "by a crash" });
    await symlink("system-1-link", join(directory, "root", "profiles", ".system-00.tmp"));

    t.same(await generations.collectGarbage(), [], "everything is younger than an hour");
    await makeOld(directory);
    const { path: fresh } = await buildCode(directory, "about to be deployed");
    const { path: again } = await buildCode(directory, "code 4");
    const removed = await generations.collectGarbage();
    t.match(
      removed.filter((path) => /-daruma-/.test(path)),
      [third],
    );
    t.equal(removed.length, 3, "its source, and what the crash left");
    t.same(
      (await generations.list()).map((each) => each.number),
      [1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14],
    );
    for (const path of [...paths.filter((path) => path !== third), fresh, again]) {
      t.same(await generations.verifyClosure(path), { ok: true });
    }
    await generations.collectGarbage({ minAgeMs: 0 });
    t.equal((await storeNames(directory)).length, 24);
    t.notOk((await profileNames(directory)).includes(".system-00.tmp"));
    t.equal((await generations.current())?.path, first);
    t.equal((await deployCode(directory, generations, "code 4")) === again, true);
    t.equal((await generations.current())?.number, 15, "numbers are never used again");
  },
);

t.test("what an agent falls back on is kept for as long as it does", async (t) => {
  const directory = await temporary(t);
  const generations = await open(t, directory);
  const { path } = await buildCode(directory, "earlier");
  await deployCode(directory, generations, "current");
  const collected = async () => (await generations.collectGarbage({ minAgeMs: 0 })).includes(path);
  await generations.keepFor({ web: path, other: path });
  t.equal(await collected(), false);
  t.same(await generations.verifyClosure(path), { ok: true });
  await generations.keepFor({ web: path });
  t.equal(await collected(), false);
  await generations.keepFor({});
  t.equal(await collected(), true);
});

t.test("garbage collection removes nothing where it cannot tell what a generation needs", async (t) => {
  const directory = await temporary(t);
  const generations = await open(t, directory);
  await buildCode(directory, "garbage");
  const path = await deployCode(directory, generations, "current");
  await chmod(path, 0o755);
  await removeTree(join(path, "references"));
  const before = await storeNames(directory);
  await t.rejects(generations.collectGarbage({ minAgeMs: 0 }), { code: "GENERATION_E_CORRUPT" });
  t.same(await storeNames(directory), before);
});

t.test("a switch, by whatever process, is told to those who listen", async (t) => {
  const directory = await temporary(t);
  const [generations, other] = [await open(t, directory), await open(t, directory)];
  const path = await deployCode(directory, generations, "one");
  await deployCode(directory, generations, "two");
  let told: () => void = () => undefined;
  generations.onSwitch(() => told());
  for (let time = 0; time < 2; time += 1) {
    const heard = new Promise<void>((resolve) => {
      told = resolve;
    });
    await (time === 0 ? other.switchTo(path) : deployCode(directory, other, "three"));
    await heard;
  }
  await generations.close();
  t.pass("heard twice");
});

t.test("files that are no links of ours are passed over", async (t) => {
  const directory = await temporary(t);
  const generations = await open(t, directory);
  const path = await deployCode(directory, generations, "one");
  await write(join(directory, "root"), {
    "profiles/system-9-link": "no link",
    "profiles/x": "",
    "gcroots/known-good/x": "",
  });
  await symlink("../store/nonsense", join(directory, "root", "profiles", "system-8-link"));
  t.same(
    (await generations.list()).map((each) => each.number),
    [1],
  );
  t.same(await generations.knownGood(), []);
  await generations.deploy((await buildCode(directory, "two")).path);
  await generations.switchTo(path);
  t.equal((await generations.current())?.number, 1);
  t.equal(basename(await generations.find(2)), basename((await buildCode(directory, "two")).path));
});

t.test("a root that is a file is named", async (t) => {
  const directory = await temporary(t);
  await write(directory, { root: "a file" });
  await t.rejects(open(t, directory), { code: "GENERATION_E_WRITE", where: join(directory, "root") });
});
