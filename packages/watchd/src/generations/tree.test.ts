import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmod, mkdir, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { canonicalize } from "@daruma/base";
import fc from "fast-check";
import t from "tap";
import { copyTree, linksThatLeave, sealTree } from "./copy-tree.ts";
import { temporary, write } from "./fixtures/fleet.ts";
import { firstDifference, listTree, treeHash } from "./tree.ts";

const hashOf = async (directory: string) => treeHash(await listTree(directory));

t.test(
  "the hash tells content, names, the executable bit, kinds and link targets apart, and nothing else",
  async (t) => {
    const directory = await temporary(t);
    const file = join(directory, "a", "file");
    await write(directory, { "a/file": "one" });
    const first = await hashOf(directory);
    t.match(first, /^[0-9a-df-np-sv-z]{32}$/);

    await utimes(file, 1, 1);
    await chmod(file, 0o600);
    t.equal(await hashOf(directory), first);

    const seen = new Set([first]);
    const changes: (() => Promise<unknown>)[] = [
      () => writeFile(file, "two"),
      () => chmod(file, 0o755),
      () => writeFile(join(directory, "a", "more"), ""),
      () => mkdir(join(directory, "a", "empty")),
      () => symlink("file", join(directory, "a", "link")),
      () => rm(join(directory, "a", "link")).then(() => symlink("more", join(directory, "a", "link"))),
      () => rm(join(directory, "a", "link")).then(() => writeFile(join(directory, "a", "link"), "more")),
    ];
    for (const change of changes) {
      await change();
      seen.add(await hashOf(directory));
    }
    t.equal(seen.size, changes.length + 1);
  },
);

const name = fc.constantFrom("a", "b", "a.b", "a-b", "ä", "🦊", "Z", "..a", "a b", "a\nb");
const { tree } = fc.letrec<{ tree: Tree; node: Tree | string }>((tie) => ({
  tree: fc.dictionary(name, tie("node"), { maxKeys: 4 }),
  node: fc.oneof({ maxDepth: 3 }, fc.string(), tie("tree")),
}));
interface Tree {
  readonly [name: string]: Tree | string;
}

async function plant(directory: string, tree: Tree): Promise<void> {
  await mkdir(directory);
  for (const [name, node] of Object.entries(tree)) {
    if (typeof node === "string") await writeFile(join(directory, name), node);
    else await plant(join(directory, name), node);
  }
}

t.test("a copy has the same hash, and two different trees never have", async (t) => {
  const directory = await temporary(t);
  const known = new Map<string, string>();
  let count = 0;
  await fc.assert(
    fc.asyncProperty(tree, async (tree) => {
      count += 1;
      const original = join(directory, `${count}`);
      await plant(original, tree);
      const entries = await listTree(original);
      await copyTree(original, `${original}-copy`, entries);
      await sealTree(`${original}-copy`, entries);
      const copy = await listTree(`${original}-copy`);
      assert.deepEqual(copy, entries);
      assert.equal(firstDifference(entries, copy), null);
      const sorted = canonicalize(tree);
      const text = known.get(treeHash(entries)) ?? sorted;
      assert.equal(text, sorted);
      known.set(treeHash(entries), sorted);
    }),
    { numRuns: 60 },
  );
  t.ok(known.size > 10);
});

t.test("a difference is named by the path that has it", async (t) => {
  const directory = await temporary(t);
  await write(directory, { "x/a": "1", "x/b/c": "1", "x/d": "1" });
  const before = await listTree(directory);
  await write(directory, { "x/b/c": "2" });
  t.equal(firstDifference(before, await listTree(directory)), "x/b/c");
  await write(directory, { "x/b/c": "1", "x/aa": "new" });
  t.equal(firstDifference(before, await listTree(directory)), "x/aa");
  t.equal(firstDifference(await listTree(directory), before), "x/aa");
  await rm(join(directory, "x", "aa"));
  await rm(join(directory, "x", "d"));
  t.equal(firstDifference(before, await listTree(directory)), "x/d");
});

t.test("special files and names that are not UTF-8 are refused by name", async (t) => {
  const directory = await temporary(t);
  execFileSync("mkfifo", [join(directory, "pipe")]);
  await t.rejects(listTree(directory), { name: "TreeProblem", path: "pipe" });
  await rm(join(directory, "pipe"));
  await mkdir(join(directory, "sub"));
  await writeFile(Buffer.concat([Buffer.from(join(directory, "sub/")), Buffer.of(0x66, 0xff)]), "");
  await t.rejects(listTree(directory), { name: "TreeProblem", path: "sub" });
});

t.test("links that lead out of a tree are found", async (t) => {
  const directory = await temporary(t);
  await write(directory, { "a/b/file": "" });
  await symlink("../../a/b/file", join(directory, "a", "b", "inside"));
  await symlink("../../../elsewhere", join(directory, "a", "b", "outside"));
  await symlink("/etc/hostname", join(directory, "absolute"));
  await symlink("..", join(directory, "parent"));
  await symlink("..a", join(directory, "harmless"));
  const found = linksThatLeave(await listTree(directory)).map(({ path }) => path);
  t.same(found, ["a/b/outside", "absolute", "parent"]);
});
