import { Frontier, hashBytes, type TreeHash } from "./merkle.ts";

/** Leaves of a tile, and nodes of a stored level under one node of the next: 2^8, as in C2SP tlog-tiles. */
export const tileWidth = 256;

/** Every how-many-eth level of nodes is stored; those between are computed from at most 128 of them. */
export const levelStep = 8;

/**
 * Where a growing tree stands. `gathering[k]` are the hashes of level 8k that are not yet a full 256, which is what the
 * next node of level 8(k + 1) will be made of.
 */
export interface TreeState {
  readonly size: number;
  readonly gathering: readonly (readonly TreeHash[])[];
}

export const emptyTree: TreeState = { size: 0, gathering: [] };

/** The hashes of 256 leaves. */
export interface Tile {
  readonly index: number;
  /** 8,192 bytes. */
  readonly bytes: Buffer;
}

/** The root of a perfect subtree whose level is a multiple of 8. */
export interface StoredNode {
  readonly level: number;
  readonly index: number;
  readonly hash: TreeHash;
}

/** What a growth has completed, and is therefore stored. It never changes again. */
export interface Completed {
  readonly tiles: readonly Tile[];
  readonly nodes: readonly StoredNode[];
}

/** Adds leaves to a tree. Pure: the state given stays what it was. */
export function growTree(
  tree: TreeState,
  leaves: readonly TreeHash[],
): { readonly tree: TreeState; readonly completed: Completed } {
  const gathering = tree.gathering.map((hashes) => [...hashes]);
  const tiles: Tile[] = [];
  const nodes: StoredNode[] = [];
  let size = tree.size;
  for (const leaf of leaves) {
    size += 1;
    let hash = leaf;
    for (let step = 0; ; step += 1) {
      gathering[step] ??= [];
      const row = gathering[step] ?? [];
      row.push(hash);
      if (row.length < tileWidth) break;
      if (step === 0) tiles.push({ index: size / tileWidth - 1, bytes: Buffer.concat(row) });
      const level = levelStep * (step + 1);
      hash = rootOfRow(row);
      nodes.push({ level, index: size / 2 ** level - 1, hash });
      gathering[step] = [];
    }
  }
  return { tree: { size, gathering }, completed: { tiles, nodes } };
}

/** The hash at one place of a tile. */
export function hashInTile(tile: Buffer, place: number): TreeHash {
  return tile.subarray(place * hashBytes, (place + 1) * hashBytes);
}

/** Root of a power of two of neighbours. */
export function rootOfRow(hashes: readonly TreeHash[]): TreeHash {
  const frontier = new Frontier();
  for (const hash of hashes) frontier.push(hash);
  return frontier.root();
}
