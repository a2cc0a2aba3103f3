import { prepareEntry } from "./entry.ts";
import { planGroup } from "./group.ts";
import type { Store } from "./store.ts";

/** The actor of what ledgerd itself has to say. No writer can have this name: it would be another one's socket. */
export const ledgerdActor = "ledgerd";

/** The action of the entry that tells of a loss. */
export const lossAction = "ledger.accept-loss";

/** What docs/reference/ledger-actions.md says of `ledger.accept-loss`. */
export interface Loss {
  readonly lost: { readonly from: number; readonly to: number } | null;
  readonly lostHead: string | null;
  readonly signed: number;
  readonly why: string;
  readonly setAside: string | null;
  readonly key: "kept" | "replaced";
  /** Up to which entry the ledger had been pruned: what has said so may be lost. */
  readonly pruned?: number;
}

/** Says in the ledger what was lost. For a store that nobody else writes to yet. */
export async function appendLoss(store: Store, loss: Loss): Promise<void> {
  const draft = { action: lossAction, subject: "ledger", details: { ...loss } };
  const prepared = prepareEntry(draft, store.host, ledgerdActor);
  const request = { writer: ledgerdActor, prepared, key: null };
  await store.commit(planGroup(store.state, new Map(), [request], new Date().toISOString()));
}
