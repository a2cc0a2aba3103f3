import { writeFileSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import t, { type Test } from "tap";
import { eventually, scratchDirectory } from "../test-support/agentctl.ts";
import { SourceWatcher } from "./watch.ts";

async function setUp(t: Test) {
  const root = scratchDirectory(t);
  const tree = join(root, "agent");
  const config = join(root, "fleet.config.ts");
  await mkdir(join(tree, "lib", "node_modules", "dependency"), { recursive: true });
  await mkdir(join(tree, ".git"));
  await writeFile(config, "1");
  await writeFile(join(tree, "main.js"), "1");
  const seen = { changes: 0, problems: [] as string[] };
  const watcher = new SourceWatcher({
    onChange: () => {
      seen.changes += 1;
    },
    onProblem: (directory) => seen.problems.push(directory),
  });
  t.teardown(() => watcher.close());
  const targets = { files: [config], trees: [tree] };
  await watcher.update(targets);
  const change = async (what: string, act: () => Promise<unknown>) => {
    const before = seen.changes;
    await act();
    await eventually(what, () => (seen.changes > before ? true : null));
  };
  return { root, tree, config, seen, watcher, targets, change };
}

t.test("every way to change a file is noticed", async (t) => {
  const { root, tree, config, change, seen } = await setUp(t);
  await change("a file is written", () => writeFile(join(tree, "main.js"), "2"));
  await change("a file is added", () => writeFile(join(tree, "lib", "new.js"), "2"));
  await change("a file is removed", () => rm(join(tree, "lib", "new.js")));
  await change("a file is replaced as editors do", async () => {
    await writeFile(join(root, "save.tmp"), "2");
    await rename(join(root, "save.tmp"), config);
  });
  await change("the replaced file is written", () => writeFile(config, "3"));
  await change("a package is installed", () =>
    writeFile(join(tree, "lib", "node_modules", ".package-lock.json"), ""),
  );
  t.same(seen.problems, []);
});

t.test("a directory that is new is watched after the next update", async (t) => {
  const { tree, change, watcher, targets } = await setUp(t);
  await change("it is made", () => mkdir(join(tree, "lib", "sub")));
  await watcher.update(targets);
  await change("a file in it is written", () => writeFile(join(tree, "lib", "sub", "x.js"), "1"));
});

t.test("a tree that is replaced as a whole is watched after the next update", async (t) => {
  const { tree, change, watcher, targets } = await setUp(t);
  await change("it is removed", () => rm(tree, { recursive: true }));
  await watcher.update(targets);
  await change("it is made anew", () => mkdir(tree));
  await watcher.update(targets);
  await change("a file in the new one is written", () => writeFile(join(tree, "main.js"), "1"));
});

t.test("what is not there yet is noticed when it comes, wherever it is missing from", async (t) => {
  const { root, change, watcher } = await setUp(t);
  const deep = join(root, "a", "b");
  await watcher.update({ files: [join(deep, "c.ts")], trees: [join(root, "later", "tree")] });
  await change("the first directory comes", () => mkdir(join(root, "a")));
  await change("the tree comes", () => mkdir(join(root, "later", "tree"), { recursive: true }));
});

t.test("a burst of changes is one change, and what does not matter is none", async (t) => {
  const { root, tree, change, seen } = await setUp(t);
  await writeFile(join(root, "README"), "beside the fleet file");
  await mkdir(join(root, ".daruma"));
  await mkdir(join(tree, ".daruma"));
  await writeFile(join(tree, ".git", "HEAD"), "");
  await writeFile(join(tree, "lib", "node_modules", "dependency", "x.js"), "");
  await change("many files are written", async () => {
    for (let index = 0; index < 50; index += 1) writeFileSync(join(tree, `${index}.js`), "");
  });
  await change("one more is written", () => writeFile(join(tree, "last.js"), ""));
  t.equal(seen.changes, 2);
});

t.test("a closed watcher notices nothing any more", async (t) => {
  const { tree, watcher, targets, seen } = await setUp(t);
  watcher.close();
  await watcher.update(targets);
  const other = { changes: 0 };
  const control = new SourceWatcher({ onChange: () => (other.changes += 1), onProblem: () => undefined });
  t.teardown(() => control.close());
  await control.update(targets);
  await writeFile(join(tree, "main.js"), "2");
  await eventually("another watcher has noticed", () => (other.changes > 0 ? true : null));
  t.equal(seen.changes, 0);
});
