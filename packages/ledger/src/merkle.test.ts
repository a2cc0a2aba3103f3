import { hash } from "node:crypto";
import fc from "fast-check";
import t from "tap";
import { coverOf, emptyRoot, Frontier, leafHash, nodeHash, rootOfCover, type TreeHash } from "./merkle.ts";
import { consistencyRanges, inclusionRanges, isConsistent, isIncluded } from "./merkle-proof.ts";

/** MTH of RFC 6962 section 2.1, as it stands there: slow, and nothing of ours in it. */
function reference(leaves: readonly Buffer[]): TreeHash {
  const sha256 = (...parts: readonly Uint8Array[]) => hash("sha256", Buffer.concat(parts), "buffer");
  if (leaves.length === 0) return sha256();
  const [only] = leaves;
  if (leaves.length === 1 && only !== undefined) return sha256(Buffer.of(0), only);
  let k = 1;
  while (2 * k < leaves.length) k *= 2;
  return sha256(Buffer.of(1), reference(leaves.slice(0, k)), reference(leaves.slice(k)));
}

/** The leaves of the test vectors that the implementations of RFC 6962 share. */
const vectorLeaves = [
  "",
  "00",
  "10",
  "2021",
  "3031",
  "40414243",
  "5051525354555657",
  "606162636465666768696a6b6c6d6e6f",
];
const vectorRoots = [
  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];
const vectors = vectorLeaves.map((leaf) => Buffer.from(leaf, "hex"));

const hex = (hashes: readonly TreeHash[]) => hashes.map((one) => one.toString("hex"));

function rootOf(leaves: readonly Buffer[]): TreeHash {
  const frontier = new Frontier();
  for (const leaf of leaves) frontier.push(leafHash(leaf));
  return frontier.root();
}

const prove = (leaves: readonly Buffer[], ranges: readonly { from: number; to: number }[]) =>
  ranges.map(({ from, to }) => reference(leaves.slice(from, to)));
const inclusion = (leaves: readonly Buffer[], index: number) =>
  prove(leaves, inclusionRanges(index, leaves.length));
const consistency = (leaves: readonly Buffer[], oldSize: number) =>
  prove(leaves, consistencyRanges(oldSize, leaves.length));

const numbered = (count: number) => Array.from({ length: count }, (_, index) => Buffer.from(`leaf ${index}`));

t.test("roots are those of the shared test vectors", async (t) => {
  for (const [size, root] of vectorRoots.entries()) {
    t.equal(rootOf(vectors.slice(0, size)).toString("hex"), root, `${size} leaves`);
    t.equal(reference(vectors.slice(0, size)).toString("hex"), root, `${size} leaves, the reference`);
  }
  t.same(rootOf([]), emptyRoot);
});

t.test("a leaf is hashed alike from text and from bytes, whatever its length", async (t) => {
  for (const text of ["", "a", "Zoë \u{1f600}", "x".repeat(4095), "x".repeat(5000), "y"]) {
    const expected = hash("sha256", Buffer.concat([Buffer.of(0), Buffer.from(text)]), "buffer");
    t.same(leafHash(text), expected);
    t.same(leafHash(Buffer.from(text)), expected);
  }
});

t.test("proofs are those of the shared test vectors", async (t) => {
  t.same(hex(inclusion(vectors.slice(0, 1), 0)), []);
  t.same(hex(inclusion(vectors, 0)), [
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
  ]);
  t.same(hex(inclusion(vectors, 5)), [
    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  ]);
  t.same(hex(consistency(vectors, 6)), [
    "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  ]);
});

t.test("the seven-leaf example of RFC 6962 section 2.1.3 is answered as it stands there", async (t) => {
  // Ranges by the names of the RFC's figure: a to g and j are leaves, h = [0,2), i = [2,4), k = [0,4), l = [4,6).
  const named = (ranges: readonly { from: number; to: number }[]) =>
    ranges.map(({ from, to }) => `${from}-${to}`);
  t.same(named(inclusionRanges(0, 7)), ["1-2", "2-4", "4-7"], "d0: b, h, l");
  t.same(named(inclusionRanges(3, 7)), ["2-3", "0-2", "4-7"], "d3: c, g, l");
  t.same(named(inclusionRanges(4, 7)), ["5-6", "6-7", "0-4"], "d4: f, j, k");
  t.same(named(inclusionRanges(6, 7)), ["4-6", "0-4"], "d6: i, k");
  t.same(named(consistencyRanges(3, 7)), ["2-3", "3-4", "0-2", "4-7"], "hash0: c, d, g, l");
  t.same(named(consistencyRanges(4, 7)), ["4-7"], "hash1: l");
  t.same(named(consistencyRanges(6, 7)), ["4-6", "6-7", "0-4"], "hash2: i, j, k");
});

t.test("every proof in every small tree holds, and for no other leaf, size or root", async (t) => {
  for (let size = 1; size <= 33; size++) {
    const leaves = numbered(size);
    const root = rootOf(leaves);
    t.same(root, reference(leaves));
    for (let index = 0; index < size; index++) {
      const leaf = leafHash(leaves[index] ?? "");
      const proof = inclusion(leaves, index);
      if (!isIncluded(leaf, index, size, proof, root)) t.fail(`leaf ${index} of ${size}`);
      const wrong = [
        isIncluded(leaf, index + 1, size, proof, root),
        isIncluded(leaf, index - 1, size, proof, root),
        isIncluded(leafHash("other"), index, size, proof, root),
        isIncluded(leaf, index, size, [...proof, root], root),
        isIncluded(leaf, index, size, proof, leafHash("other")),
        proof.length > 0 && isIncluded(leaf, index, size, proof.slice(1), root),
        proof.length > 0 && isIncluded(leaf, index, size, proof.slice(0, -1), root),
      ];
      if (wrong.includes(true)) t.fail(`leaf ${index} of ${size} is taken for what it is not: ${wrong}`);
    }
    for (let old = 0; old <= size; old++) {
      const oldRoot = rootOf(leaves.slice(0, old));
      const proof = consistency(leaves, old);
      if (!isConsistent(old, oldRoot, size, root, proof)) t.fail(`${old} to ${size}`);
      const wrong = [
        isConsistent(old, oldRoot, size, root, [...proof, root]),
        old > 0 && isConsistent(old, leafHash("other"), size, root, proof),
        old > 0 && isConsistent(old, oldRoot, size, leafHash("other"), proof),
        proof.length > 0 && isConsistent(old, oldRoot, size, root, proof.slice(1)),
        proof.length > 0 && isConsistent(old, oldRoot, size, root, proof.slice(0, -1)),
        isConsistent(size, root, old, oldRoot, proof) && old !== size,
      ];
      if (wrong.includes(true)) t.fail(`${old} to ${size} is taken for what it is not: ${wrong}`);
    }
  }
});

t.test("a proof with one bit changed never holds", async () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 300 }),
      fc.nat(),
      fc.nat(),
      fc.nat(255),
      (size, some, place, bit) => {
        const leaves = numbered(size);
        const root = rootOf(leaves);
        const index = some % size;
        const flipped = (proof: readonly TreeHash[]) => {
          const copies = proof.map((one) => Buffer.from(one));
          const victim = copies[place % copies.length];
          const at = Math.floor(bit / 8);
          if (victim !== undefined) victim[at] = (victim[at] ?? 0) ^ (1 << (bit % 8));
          return copies;
        };
        const leaf = leafHash(leaves[index] ?? "");
        const included = isIncluded(leaf, index, size, flipped(inclusion(leaves, index)), root);
        const old = 1 + (some % (size - 1));
        const oldRoot = rootOf(leaves.slice(0, old));
        const consistent = isConsistent(old, oldRoot, size, root, flipped(consistency(leaves, old)));
        return !included && !consistent;
      },
    ),
    { numRuns: 60 },
  );
});

t.test("leaves and whole subtrees, in any mixture that fits, give the same root", async () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 200 }), fc.array(fc.nat(200), { maxLength: 6 }), (size, cuts) => {
      const leaves = numbered(size);
      const places = [0, ...cuts.filter((cut) => cut < size).sort((a, b) => a - b), size];
      const frontier = new Frontier();
      for (const [at, from] of places.slice(0, -1).entries()) {
        for (const { level, index } of coverOf({ from, to: places[at + 1] ?? size })) {
          const first = index * 2 ** level;
          frontier.push(reference(leaves.slice(first, first + 2 ** level)), level);
        }
      }
      return frontier.size === size && frontier.root().equals(reference(leaves));
    }),
  );
});

t.test("a range that grows leaf by leaf has its cover's hashes", async () => {
  fc.assert(
    fc.property(fc.nat(150), fc.nat(150), (a, b) => {
      const range = { from: Math.min(a, b), to: Math.max(a, b) };
      const leaves = numbered(range.to);
      const frontier = new Frontier(range.from);
      for (const leaf of leaves.slice(range.from)) frontier.push(leafHash(leaf));
      const expected = coverOf(range).map(({ level, index }) =>
        reference(leaves.slice(index * 2 ** level, (index + 1) * 2 ** level)),
      );
      return hex(frontier.hashes).join() === hex(expected).join();
    }),
  );
});

t.test("a subtree is only taken where one begins", async (t) => {
  const frontier = new Frontier();
  frontier.push(leafHash("a"));
  t.throws(() => frontier.push(leafHash("b"), 1), RangeError);
  frontier.push(leafHash("b"));
  frontier.push(leafHash("c"), 1);
  t.equal(frontier.size, 4);
  t.same(frontier.root(), nodeHash(nodeHash(leafHash("a"), leafHash("b")), leafHash("c")));
});

t.test("a cover is as small as can be, and numbers beyond 32 bits are no obstacle", async (t) => {
  t.same(coverOf({ from: 0, to: 0 }), []);
  t.same(coverOf({ from: 3, to: 9 }), [
    { level: 0, index: 3 },
    { level: 2, index: 1 },
    { level: 0, index: 8 },
  ]);
  const size = 2 ** 53 - 1;
  t.equal(coverOf({ from: 0, to: size }).length, 53);
  t.same(coverOf({ from: 2 ** 40, to: 2 ** 41 }), [{ level: 40, index: 1 }]);
  t.equal(inclusionRanges(2 ** 40, size).length, 53);
  t.ok(consistencyRanges(2 ** 45 + 1, size).length <= 63);
  t.same(rootOfCover([]), emptyRoot);
});

t.test("what is outside the tree has no proof", async (t) => {
  for (const [index, size] of [
    [0, 0],
    [5, 5],
    [-1, 5],
    [Number.NaN, 5],
  ] as const) {
    t.throws(() => inclusionRanges(index, size), RangeError);
    t.notOk(isIncluded(emptyRoot, index, size, [], emptyRoot));
  }
  t.throws(() => consistencyRanges(6, 5), RangeError);
  t.throws(() => consistencyRanges(-1, 5), RangeError);
  t.notOk(isConsistent(6, emptyRoot, 5, emptyRoot, []));
});
