import type { DarumaError } from "@daruma/base";
import { ledgerErrors } from "./catalogue.ts";
import { type LedgerDb, storeKeys } from "./level.ts";
import { coverOf, hashBytes, type LeafRange, rootOfCover, type Subtree, type TreeHash } from "./merkle.ts";
import { consistencyRanges, inclusionRanges } from "./merkle-proof.ts";
import {
  type Completed,
  hashInTile,
  levelStep,
  rootOfRow,
  type StoredNode,
  type Tile,
  type TreeState,
  tileWidth,
} from "./tree.ts";

/** The batch operations that store what a growth has completed. */
export function treeOperations({ tiles, nodes }: Completed) {
  const put = (key: string, value: Buffer) => ({ type: "put", key, value, valueEncoding: "buffer" }) as const;
  return [
    ...tiles.map((tile) => put(storeKeys.tile(tile.index), tile.bytes)),
    ...nodes.map((node) => put(storeKeys.node(node.level, node.index), node.hash)),
  ];
}

/** How many tiles are stored, as the number of the last one says. */
export async function countTiles(db: LedgerDb): Promise<number> {
  for await (const key of db.keys({ ...storeKeys.tiles, reverse: true, limit: 1 })) {
    const index = Number.parseInt(key.slice(storeKeys.tiles.gt.length), 16);
    if (key === storeKeys.tile(index)) return index + 1;
    throw damaged(db, `the key ${key} is none of its tree's`);
  }
  return 0;
}

/**
 * The state of a tree of `size` leaves, a multiple of 256, from the stored nodes.
 *
 * @throws LEDGER_E_DAMAGED
 */
export async function loadTree(db: LedgerDb, size: number): Promise<TreeState> {
  const gathering: TreeHash[][] = [[]];
  for (let level = levelStep; 2 ** level <= size; level += levelStep) {
    const count = Math.floor(size / 2 ** level);
    const first = count - (count % tileWidth);
    gathering.push(await readStored(db, level, first, count - first));
  }
  return { size, gathering };
}

/**
 * Compares what a growth from verified entries has completed with what is stored.
 *
 * @throws LEDGER_E_DAMAGED
 */
export async function compareStored(
  db: LedgerDb,
  tiles: readonly Tile[],
  nodes: readonly StoredNode[],
): Promise<void> {
  for (const { index, bytes } of tiles) {
    if (bytes.equals(await readTile(db, index))) continue;
    throw damaged(
      db,
      `entries ${index * tileWidth + 1} to ${(index + 1) * tileWidth} are not those of its tree`,
    );
  }
  for (const { level, index, hash } of nodes) {
    const [stored] = await readStored(db, level, index, 1);
    if (stored?.equals(hash) !== true)
      throw damaged(db, `node ${index} of level ${level} is not that of its tree`);
  }
}

/** The stored tree, for roots and proofs of every size up to that of `state`. */
export class TreeReader {
  readonly #db: LedgerDb;
  readonly #state: TreeState;

  constructor(db: LedgerDb, state: TreeState) {
    this.#db = db;
    this.#state = state;
  }

  get size(): number {
    return this.#state.size;
  }

  /** The root of the tree as it was when it had `size` leaves. */
  async root(size: number): Promise<TreeHash> {
    return await this.#rootOfRange({ from: 0, to: size });
  }

  /** The hashes that stand for the first `size` leaves: of the fewest perfect subtrees that they make up, from left to right. */
  async prefix(size: number): Promise<readonly TreeHash[]> {
    return await this.#rootsOf(coverOf({ from: 0, to: size }).map(leavesOf));
  }

  async inclusion(index: number, size: number): Promise<readonly TreeHash[]> {
    return await this.#rootsOf(inclusionRanges(index, size));
  }

  async consistency(oldSize: number, size: number): Promise<readonly TreeHash[]> {
    return await this.#rootsOf(consistencyRanges(oldSize, size));
  }

  async #rootsOf(ranges: readonly LeafRange[]): Promise<readonly TreeHash[]> {
    const roots: TreeHash[] = [];
    for (const range of ranges) roots.push(await this.#rootOfRange(range));
    return roots;
  }

  async #rootOfRange(range: LeafRange): Promise<TreeHash> {
    if (range.to > this.size) throw new RangeError(`the tree has ${this.size} leaves, not ${range.to}`);
    const hashes: TreeHash[] = [];
    for (const subtree of coverOf(range)) hashes.push(await this.#node(subtree));
    return rootOfCover(hashes);
  }

  /** A node between two stored levels is made of the stored ones below it, which are neighbours. */
  async #node({ level, index }: Subtree): Promise<TreeHash> {
    const above = level % levelStep;
    const count = 2 ** above;
    const first = index * count;
    if (level >= levelStep) return rootOfRow(await readStored(this.#db, level - above, first, count));
    const place = first % tileWidth;
    if (first >= this.#state.size - (this.#state.size % tileWidth)) {
      return rootOfRow((this.#state.gathering[0] ?? []).slice(place, place + count));
    }
    const tile = await readTile(this.#db, Math.floor(first / tileWidth));
    return rootOfRow(Array.from({ length: count }, (_, offset) => hashInTile(tile, place + offset)));
  }
}

function leavesOf({ level, index }: Subtree): LeafRange {
  return { from: index * 2 ** level, to: (index + 1) * 2 ** level };
}

/** The hashes of 256 leaves. */
export async function readTile(db: LedgerDb, index: number): Promise<Buffer> {
  const tile = await db.get<string, Buffer>(storeKeys.tile(index), { valueEncoding: "buffer" });
  if (tile?.length === tileWidth * hashBytes) return tile;
  throw damaged(db, `tile ${index} of its tree is missing or cut`);
}

async function readStored(db: LedgerDb, level: number, first: number, count: number): Promise<TreeHash[]> {
  const keys = Array.from({ length: count }, (_, offset) => storeKeys.node(level, first + offset));
  const hashes = await db.getMany<string, Buffer>(keys, { valueEncoding: "buffer" });
  return hashes.map((hash, offset) => {
    if (hash?.length === hashBytes) return hash;
    throw damaged(db, `node ${first + offset} of level ${level} of its tree is missing or cut`);
  });
}

function damaged(db: LedgerDb, why: string): DarumaError {
  return ledgerErrors.make("LEDGER_E_DAMAGED", `the ledger in ${db.location} is damaged: ${why}`, {
    where: db.location,
  });
}
