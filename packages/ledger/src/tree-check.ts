import { ledgerErrors } from "./catalogue.ts";
import type { LedgerDb } from "./level.ts";
import type { TreeHash } from "./merkle.ts";
import { emptyTree, growTree, type TreeState, tileWidth } from "./tree.ts";
import { compareStored, countTiles, loadTree, treeOperations } from "./tree-store.ts";

/** How many entries at the end are verified before ledgerd serves. All of them: `agentctl ledger verify`. */
export const entriesChecked = 1000;

/** Leaves that are hashed into the tree at once, and operations of one write: half a megabyte. */
const leavesAtOnce = 64 * tileWidth;
const operationsAtOnce = 64;

/**
 * Follows the entries at the end of a ledger as they are verified, and computes their part of the tree again. What is
 * stored of it must be the same; what is missing at the end, because an older release has written the entries, is added.
 */
export class TreeCheck {
  readonly #db: LedgerDb;
  readonly #storedTiles: number;
  #tree: TreeState;
  #leaves: TreeHash[] = [];
  #missing: ReturnType<typeof treeOperations> = [];

  private constructor(db: LedgerDb, storedTiles: number, tree: TreeState) {
    this.#db = db;
    this.#storedTiles = storedTiles;
    this.#tree = tree;
  }

  /**
   * @param headSeq the number of the last entry
   * @param prunedSeq that of the last one that was pruned: of those only the tree is left
   * @throws LEDGER_E_DAMAGED
   */
  static async begin(db: LedgerDb, headSeq: number, prunedSeq: number): Promise<TreeCheck> {
    const storedTiles = await countTiles(db);
    if (storedTiles > Math.floor(headSeq / tileWidth)) {
      throw ledgerErrors.make(
        "LEDGER_E_DAMAGED",
        `the ledger in ${db.location} is damaged: it ends at entry ${headSeq}, but its tree knows ${storedTiles * tileWidth}`,
        { where: db.location },
      );
    }
    // What is compared begins with a tile.
    const unchecked = Math.ceil(Math.max(prunedSeq, headSeq - entriesChecked) / tileWidth);
    return new TreeCheck(db, storedTiles, await loadTree(db, Math.min(storedTiles, unchecked) * tileWidth));
  }

  /** Follows all entries from the first one on. */
  static async whole(db: LedgerDb): Promise<TreeCheck> {
    return new TreeCheck(db, await countTiles(db), emptyTree);
  }

  /** Leaves so far: entries up to this number count as checked, the next one is to be added. */
  get size(): number {
    return this.#tree.size + this.#leaves.length;
  }

  /** @throws LEDGER_E_DAMAGED */
  add(leaf: TreeHash): Promise<void> | undefined {
    this.#leaves.push(leaf);
    return this.#leaves.length < leavesAtOnce ? undefined : this.compare();
  }

  /**
   * Compares what has been added so far.
   *
   * @throws LEDGER_E_DAMAGED
   */
  async compare(): Promise<void> {
    const { tree, completed } = growTree(this.#tree, this.#leaves);
    const isStored = (leaves: number) => leaves <= this.#storedTiles * tileWidth;
    const storedTile = (tile: { readonly index: number }) => isStored((tile.index + 1) * tileWidth);
    const storedNode = (node: { readonly level: number; readonly index: number }) =>
      isStored((node.index + 1) * 2 ** node.level);
    await compareStored(this.#db, completed.tiles.filter(storedTile), completed.nodes.filter(storedNode));
    this.#missing.push(
      ...treeOperations({
        tiles: completed.tiles.filter((tile) => !storedTile(tile)),
        nodes: completed.nodes.filter((node) => !storedNode(node)),
      }),
    );
    this.#tree = tree;
    this.#leaves = [];
  }

  /**
   * The tree over all entries added. To be called once all else has proven good: only then is anything written.
   *
   * @throws LEDGER_E_DAMAGED
   */
  async end(): Promise<TreeState> {
    await this.compare();
    for (let at = 0; at < this.#missing.length; at += operationsAtOnce) {
      const some = this.#missing.slice(at, at + operationsAtOnce);
      await this.#db.batch<string, Buffer>(some, { sync: true });
    }
    return this.#tree;
  }
}
