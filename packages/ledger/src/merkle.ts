import { hash } from "node:crypto";

/*
 * The Merkle tree of RFC 6962 section 2.1 (the same in RFC 9162) over SHA-256. The leaf of entry `seq` has index `seq` - 1
 * and is made of the entry's stored bytes. Sizes and indexes go up to 2^53 - 1, so nothing here uses bit operators, which
 * know 32 bits only.
 */

/** 32 bytes. */
export type TreeHash = Buffer;

/** Bytes of a hash. */
export const hashBytes = 32;

/** A perfect subtree: the 2^`level` leaves from number `index` * 2^`level` on. */
export interface Subtree {
  readonly level: number;
  readonly index: number;
}

/** The leaves from `from` up to, not including, `to`. */
export interface LeafRange {
  readonly from: number;
  readonly to: number;
}

/** Root of the tree without a leaf: the hash of nothing (RFC 6962 section 2.1). */
export const emptyRoot: TreeHash = hash("sha256", "", "buffer");

/** The first byte keeps a leaf from passing for a node, and a node for a leaf. */
const leafPrefix = 0;
const nodePrefix = 1;

const nodeInput = Buffer.alloc(1 + 2 * hashBytes);
let leafInput = Buffer.alloc(4096);

/** The hash of one leaf, made of an entry's stored bytes without a newline. */
export function leafHash(entry: string | Buffer): TreeHash {
  if (typeof entry === "string") return sha256(`\0${entry}`);
  if (entry.length >= leafInput.length) leafInput = Buffer.alloc(2 * entry.length);
  leafInput[0] = leafPrefix;
  entry.copy(leafInput, 1);
  return sha256(leafInput.subarray(0, entry.length + 1));
}

export function nodeHash(left: TreeHash, right: TreeHash): TreeHash {
  nodeInput[0] = nodePrefix;
  left.copy(nodeInput, 1);
  right.copy(nodeInput, 1 + hashBytes);
  return sha256(nodeInput);
}

/** By way of a text: a buffer of its own for each hash takes as long as the hashing itself. */
function sha256(input: string | Buffer): TreeHash {
  return Buffer.from(hash("sha256", input, "binary"), "binary");
}

/** The fewest perfect subtrees that make up a range, from left to right. */
export function coverOf({ from, to }: LeafRange): readonly Subtree[] {
  const cover: Subtree[] = [];
  let at = from;
  while (at < to) {
    let level = 0;
    let leaves = 1;
    while (at % (2 * leaves) === 0 && at + 2 * leaves <= to) {
      leaves *= 2;
      level += 1;
    }
    cover.push({ level, index: at / leaves });
    at += leaves;
  }
  return cover;
}

/** Root of a range that begins where a subtree of the tree begins, from the hashes of its cover. */
export function rootOfCover(hashes: readonly TreeHash[]): TreeHash {
  const last = hashes.at(-1);
  if (last === undefined) return emptyRoot;
  return hashes.slice(0, -1).reduceRight((right, left) => nodeHash(left, right), last);
}

interface Peak extends Subtree {
  readonly hash: TreeHash;
}

/**
 * The cover of a range that grows at its right end, with the hashes. From leaf 0 on it is the right edge of a tree: all that
 * is needed to go on and to know the root, at most 53 hashes.
 */
export class Frontier {
  #size: number;
  readonly #peaks: Peak[] = [];

  /** `from` is the first leaf of the range. */
  constructor(from = 0) {
    this.#size = from;
  }

  /** The leaf that comes next; from leaf 0 on, the size of the tree. */
  get size(): number {
    return this.#size;
  }

  /** The hashes of the cover, from left to right. */
  get hashes(): readonly TreeHash[] {
    return this.#peaks.map((peak) => peak.hash);
  }

  /**
   * Adds one leaf, or with a `level` a whole perfect subtree of 2^`level` leaves.
   *
   * @throws RangeError if no subtree of that level begins here.
   */
  push(hash: TreeHash, level = 0): void {
    const leaves = 2 ** level;
    if (this.#size % leaves !== 0)
      throw new RangeError(`no subtree of level ${level} begins at ${this.#size}`);
    let peak: Peak = { level, index: this.#size / leaves, hash };
    this.#size += leaves;
    for (let left = this.#peaks.at(-1); isLeftSibling(left, peak); left = this.#peaks.at(-1)) {
      this.#peaks.pop();
      peak = { level: peak.level + 1, index: left.index / 2, hash: nodeHash(left.hash, peak.hash) };
    }
    this.#peaks.push(peak);
  }

  /** The root of the tree, of a range from leaf 0 on. */
  root(): TreeHash {
    return rootOfCover(this.hashes);
  }
}

function isLeftSibling(left: Peak | undefined, right: Peak): left is Peak {
  return left?.level === right.level && left.index % 2 === 0;
}
