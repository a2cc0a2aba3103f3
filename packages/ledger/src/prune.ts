import { ledgerErrors } from "./catalogue.ts";
import type { Committer } from "./committer.ts";
import { type Head, readEntry } from "./entry.ts";
import { findEntries } from "./find.ts";
import { ledgerdActor, lossAction } from "./loss-entry.ts";
import { appendAsOperator } from "./operator-entry.ts";
import { dropPruned as dropSome, entriesKept } from "./pruned.ts";
import { operatorWriter } from "./request.ts";
import type { Store } from "./store.ts";
import { tileWidth } from "./tree.ts";

/** What pruning would take away. */
export interface PrunePlan {
  /** Entries up to this number are earlier than what was asked for. */
  readonly earlier: number;
  /** Up to this one nothing is left already. */
  readonly pruned: number;
  /** Up to this one nothing would be left: whole tiles of 256 only, and the newest 1,280 stay. */
  readonly through: number;
  /** How many entries the last checkpoint is over. */
  readonly signed: number;
}

/**
 * What can be pruned of the entries before the first one that is not earlier than `before` (RFC 3339, as the entries' own times).
 *
 * @throws LEDGER_E_INDEXING, LEDGER_E_UNUSABLE, LEDGER_E_DAMAGED
 */
export async function planPruning(store: Store, before: string): Promise<PrunePlan> {
  const { seq: pruned } = store.pruned;
  const { seq: last } = store.state.head;
  const range = { after: pruned, last, limit: 1, begin: "oldest" } as const;
  const [first = last + 1] = await store.ask((db) => findEntries(db, { since: before }, range));
  const earlier = first - 1;
  const most = Math.min(earlier, Math.max(0, last - entriesKept));
  const through = Math.max(pruned, most - (most % tileWidth));
  return { earlier, pruned, through, signed: store.checkpoint?.size ?? 0 };
}

/**
 * Checks that what is to go is vouched for: a checkpoint over it was signed, without which nobody could tell afterwards that the
 * leaves in its place are those of what was there.
 *
 * @throws LEDGER_E_NOT_SIGNED
 */
export function checkCovered({ through, signed }: PrunePlan): void {
  if (through <= signed) return;
  const message = `entries up to ${through} would go, and the last checkpoint is over ${signed}`;
  throw ledgerErrors.make("LEDGER_E_NOT_SIGNED", message);
}

export interface PruneOrder {
  readonly through: number;
  readonly before: string;
  /** Why, as the person says. */
  readonly reason: string;
}

/**
 * Takes entries up to `through` away, of a plan that was just made. First the ledger says so, then they count as gone, then they go:
 * whoever finds them missing finds out by whom and why.
 *
 * @returns the number of the entry that says so
 * @throws LEDGER_E_INDEXING, LEDGER_E_WRITE_FAILED, LEDGER_E_DAMAGED, LEDGER_E_STOPPING
 */
export async function prune(store: Store, committer: Committer, order: PruneOrder): Promise<number> {
  const { through, before, reason } = order;
  const [line] = await store.readSome([through]);
  const { entry } = readEntry(line?.toString("utf8") ?? "");
  if (entry === null) throw ledgerErrors.make("LEDGER_E_DAMAGED", `entry ${through} is not readable`);
  const pruned: Head = { seq: through, hash: entry.hash };
  const details = {
    from: store.pruned.seq + 1,
    through,
    hash: entry.hash,
    before,
    reason,
    severity: "warning",
  };
  const seq = await appendAsOperator(store, committer, pruneAction, details);
  await committer.between(async () => {
    // Somebody may have it made anew since the plan.
    if (store.indexed < through) throw ledgerErrors.make("LEDGER_E_INDEXING", "the index is being made anew");
    await store.prune(pruned);
  });
  await dropPruned(store, committer);
  return seq;
}

/** Deletes what counts as gone, a step at a time, with appends in between. What a stop leaves, the next start goes on with. */
export async function dropPruned(store: Store, committer: Committer): Promise<void> {
  let next: string | null = store.pruned.seq > 0 ? "" : null;
  while (next !== null && !committer.stopping) {
    const from: string = next;
    next = await committer.between(() => store.maintaining((db) => dropSome(db, store.pruned, from)));
  }
}

export const pruneAction = "ledger.prune";

/**
 * What an entry says of pruning: up to which one; 0 if it says nothing of that. Where a loss was accepted, the entry that tells of it
 * stands for those that are lost.
 */
export function prunedByEntry(line: Buffer): number {
  if (![pruneAction, lossAction].some((action) => line.includes(`{"action":"${action}"`))) return 0;
  const { entry } = readEntry(line.toString("utf8"));
  // Writers may append any action, but not as somebody else.
  const isPrune = entry?.action === pruneAction && entry.actor === operatorWriter;
  const isLoss = entry?.action === lossAction && entry.actor === ledgerdActor;
  const through = isPrune ? entry.details.through : isLoss ? entry.details.pruned : 0;
  return typeof through === "number" ? through : 0;
}
