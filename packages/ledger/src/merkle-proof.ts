import { type LeafRange, nodeHash, type TreeHash } from "./merkle.ts";

/** Hashes of the longest proof in a tree that fits our numbers; C2SP tlog-witness allows no more. */
export const maxProofHashes = 63;

/**
 * The ranges whose roots are the audit path of leaf `index` in the tree of `size` leaves, in its order: PATH(m, D[n]) of
 * RFC 6962 section 2.1.1.
 *
 * @throws RangeError unless 0 <= `index` < `size`
 */
export function inclusionRanges(index: number, size: number): readonly LeafRange[] {
  if (!(index >= 0 && index < size)) throw new RangeError(`no leaf ${index} in a tree of ${size}`);
  const path: LeafRange[] = [];
  let from = 0;
  let to = size;
  while (to - from > 1) {
    const middle = from + largestPowerBelow(to - from);
    if (index < middle) {
      path.push({ from: middle, to });
      to = middle;
    } else {
      path.push({ from, to: middle });
      from = middle;
    }
  }
  return path.reverse();
}

/**
 * The ranges whose roots prove that the tree of `size` leaves begins with the tree of `oldSize`: PROOF(m, D[n]) of RFC 6962
 * section 2.1.2. Empty where there is nothing to prove: for the empty tree, and for equal sizes.
 *
 * @throws RangeError unless 0 <= `oldSize` <= `size`
 */
export function consistencyRanges(oldSize: number, size: number): readonly LeafRange[] {
  if (!(oldSize >= 0 && oldSize <= size)) throw new RangeError(`${oldSize} leaves are not within ${size}`);
  if (oldSize === 0 || oldSize === size) return [];
  const path: LeafRange[] = [];
  let from = 0;
  let to = size;
  while (to !== oldSize) {
    const middle = from + largestPowerBelow(to - from);
    if (oldSize <= middle) {
      path.push({ from: middle, to });
      to = middle;
    } else {
      path.push({ from, to: middle });
      from = middle;
    }
  }
  // The whole old tree is known to whoever checks; only a part of it must be given.
  if (from > 0) path.push({ from, to });
  return path.reverse();
}

/** Whether `leaf` is number `index` of the tree of `size` leaves with this root (RFC 9162 section 2.1.3.2). */
export function isIncluded(
  leaf: TreeHash,
  index: number,
  size: number,
  proof: readonly TreeHash[],
  root: TreeHash,
): boolean {
  if (!(index >= 0 && index < size)) return false;
  const climb = new Climb(index, size - 1);
  let computed = leaf;
  for (const sibling of proof) {
    if (climb.isRoot) return false;
    computed = climb.isRightChild() ? nodeHash(sibling, computed) : nodeHash(computed, sibling);
    climb.up();
  }
  return climb.isRoot && computed.equals(root);
}

/** Whether the tree of `size` leaves begins with the tree of `oldSize` leaves (RFC 9162 section 2.1.4.2). */
export function isConsistent(
  oldSize: number,
  oldRoot: TreeHash,
  size: number,
  root: TreeHash,
  proof: readonly TreeHash[],
): boolean {
  if (!(oldSize >= 0 && oldSize <= size)) return false;
  if (oldSize === size) return proof.length === 0 && oldRoot.equals(root);
  // Every tree begins with the empty one.
  if (oldSize === 0) return proof.length === 0;
  const isPerfect = largestPowerBelow(oldSize + 1) === oldSize;
  const [first, ...rest] = isPerfect ? [oldRoot, ...proof] : proof;
  if (first === undefined) return false;
  const climb = new Climb(oldSize - 1, size - 1);
  climb.skipRightChildren();
  let old = first;
  let computed = first;
  for (const sibling of rest) {
    if (climb.isRoot) return false;
    if (climb.isRightChild()) {
      old = nodeHash(sibling, old);
      computed = nodeHash(sibling, computed);
    } else {
      computed = nodeHash(computed, sibling);
    }
    climb.up();
  }
  return climb.isRoot && old.equals(oldRoot) && computed.equals(root);
}

/** The way from a node to the root, where a last node without a sibling moves up as it is (fn and sn in RFC 9162). */
class Climb {
  #node: number;
  #last: number;

  constructor(node: number, last: number) {
    this.#node = node;
    this.#last = last;
  }

  get isRoot(): boolean {
    return this.#last === 0;
  }

  isRightChild(): boolean {
    return this.#node % 2 === 1 || this.#node === this.#last;
  }

  up(): void {
    if (this.isRightChild()) while (this.#node % 2 === 0 && this.#node !== 0) this.#half();
    this.#half();
  }

  skipRightChildren(): void {
    while (this.#node % 2 === 1) this.#half();
  }

  #half(): void {
    this.#node = Math.floor(this.#node / 2);
    this.#last = Math.floor(this.#last / 2);
  }
}

/** The largest power of two that is smaller than `leaves`, which must be at least 2. */
function largestPowerBelow(leaves: number): number {
  let power = 1;
  while (2 * power < leaves) power *= 2;
  return power;
}
