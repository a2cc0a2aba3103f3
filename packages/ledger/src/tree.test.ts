import { join } from "node:path";
import fc from "fast-check";
import t, { type Test } from "tap";
import { type LedgerDb, openLevel, storeKeys } from "./level.ts";
import { Frontier, leafHash, type TreeHash } from "./merkle.ts";
import { isConsistent, isIncluded } from "./merkle-proof.ts";
import { errorOf, temporaryDirectory } from "./test-support.ts";
import {
  type Completed,
  emptyTree,
  growTree,
  type StoredNode,
  type Tile,
  type TreeState,
  tileWidth,
} from "./tree.ts";
import { compareStored, countTiles, loadTree, TreeReader, treeOperations } from "./tree-store.ts";

const hashes: TreeHash[] = [];
function leaf(index: number): TreeHash {
  hashes[index] ??= leafHash(`leaf ${index}`);
  return hashes[index];
}
const leavesOf = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => leaf(from + at));

/** The roots of the trees of these sizes, which ascend. */
function rootsOf(sizes: readonly number[]): readonly TreeHash[] {
  const frontier = new Frontier();
  let size = 0;
  return sizes.map((next) => {
    for (; size < next; size += 1) frontier.push(leaf(size));
    return frontier.root();
  });
}

async function open(t: Test): Promise<LedgerDb> {
  const db = await openLevel(join(await temporaryDirectory(t), "db"), true);
  t.teardown(() => db.close());
  return db;
}

async function store(db: LedgerDb, completed: Completed): Promise<void> {
  await db.batch<string, Buffer>(treeOperations(completed), {});
}

t.test("however a tree grows, it stands at the same place with the same tiles and nodes", async () => {
  const whole = growTree(emptyTree, leavesOf(0, 1200));
  fc.assert(
    fc.property(fc.array(fc.nat(1200), { maxLength: 8 }), (cuts) => {
      const places = [0, ...cuts.sort((a, b) => a - b), 1200];
      let tree: TreeState = emptyTree;
      const tiles: Tile[] = [];
      const nodes: StoredNode[] = [];
      for (const [at, from] of places.slice(0, -1).entries()) {
        const grown = growTree(tree, leavesOf(from, places[at + 1] ?? 1200));
        tree = grown.tree;
        tiles.push(...grown.completed.tiles);
        nodes.push(...grown.completed.nodes);
      }
      const same = JSON.stringify({ tree, completed: { tiles, nodes } }) === JSON.stringify(whole);
      return same && tiles.length === 4 && nodes.length === 4;
    }),
    { numRuns: 20 },
  );
});

t.test("growing leaves the state before as it was", async (t) => {
  const { tree } = growTree(emptyTree, leavesOf(0, 255));
  const copy = JSON.stringify(tree);
  growTree(tree, leavesOf(255, 600));
  t.equal(JSON.stringify(tree), copy);
});

t.test("roots and proofs of a tree of three stored levels are right, of every size", async (t) => {
  const size = 2 ** 16 + 700;
  const db = await open(t);
  const { tree, completed } = growTree(emptyTree, leavesOf(0, size));
  t.same(
    completed.nodes.filter(({ level }) => level === 16).map(({ index }) => index),
    [0],
  );
  await store(db, completed);
  const reader = new TreeReader(db, tree);
  const olds = [0, 1, 3, 255, 256, 257, 1000, 2 ** 15, 65_535, 65_536, 65_537, size - 1, size];
  const roots = rootsOf(olds);
  const root = roots.at(-1) ?? leaf(0);
  t.same(await reader.root(size), root);
  t.equal(await countTiles(db), Math.floor(size / tileWidth));
  for (const index of [0, 1, 255, 256, 40_000, 65_535, 65_536, size - 188, size - 1]) {
    t.ok(isIncluded(leaf(index), index, size, await reader.inclusion(index, size), root), `leaf ${index}`);
  }
  for (const [at, old] of olds.entries()) {
    const oldRoot = roots[at] ?? leaf(0);
    t.same(await reader.root(old), oldRoot, `root of ${old}`);
    const proof = await reader.consistency(old, size);
    t.ok(isConsistent(old, oldRoot, size, root, proof), `${old} to ${size}`);
  }
  await t.rejects(reader.root(size + 1), RangeError);
});

t.test("a tree is loaded from what is stored, and goes on as if it had never stopped", async (t) => {
  const db = await open(t);
  const start = 2 ** 16 + 512;
  const before = growTree(emptyTree, leavesOf(0, start));
  await store(db, before.completed);
  const loaded = await loadTree(db, start);
  const rest = leavesOf(start, start + 70_000);
  t.same(growTree(loaded, rest), growTree(before.tree, rest));
});

t.test("a tile or node that is missing, cut or changed is named", async (t) => {
  const db = await open(t);
  const { tree, completed } = growTree(emptyTree, leavesOf(0, 1100));
  const buffer = { valueEncoding: "buffer" } as const;
  const tile = completed.tiles[2]?.bytes ?? Buffer.alloc(0);
  const changed = Buffer.from(tile).fill(7, 100, 101);
  for (const [key, value, message] of [
    [storeKeys.tile(2), null, /tile 2 .*missing or cut/],
    [storeKeys.tile(2), tile.subarray(1), /tile 2 .*missing or cut/],
    [storeKeys.tile(2), changed, /entries 513 to 768 are not those/],
    [storeKeys.node(8, 1), null, /node 1 of level 8 .*missing or cut/],
    [storeKeys.node(8, 1), leaf(3), /node 1 of level 8 is not/],
  ] as const) {
    await store(db, completed);
    await compareStored(db, completed.tiles, completed.nodes);
    if (value === null) await db.del(key);
    else await db.put<string, Buffer>(key, value, buffer);
    const error = await errorOf(compareStored(db, completed.tiles, completed.nodes));
    t.match(error, { code: "LEDGER_E_DAMAGED", message });
    if (value === null) {
      const all = Promise.all([new TreeReader(db, tree).inclusion(512, 1100), loadTree(db, 1024)]);
      t.equal((await errorOf(all)).code, "LEDGER_E_DAMAGED");
    }
  }
});
