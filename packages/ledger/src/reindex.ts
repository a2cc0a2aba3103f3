import { compareIndex, type IndexComparison } from "./index-store.ts";
import { Store } from "./store.ts";

export interface ReindexOptions {
  /** Told after each step how many entries are indexed, and how many there are. */
  readonly onProgress: (indexed: number, entries: number) => void;
  /** Ends the work between two steps; its reason is thrown. What is done is kept, and the next start of ledgerd goes on with it. */
  readonly signal: AbortSignal;
}

/**
 * Makes the index of a ledger anew that no ledgerd has open. Returns how many entries it has.
 *
 * @throws what Store.openAny throws; LEDGER_E_WRITE_FAILED; the reason of `signal`
 */
export async function reindexDirectory(
  directory: string,
  { onProgress, signal }: ReindexOptions,
): Promise<number> {
  await using store = await openForIndex(directory);
  const entries = store.state.head.seq;
  await store.forgetIndex();
  while (store.indexed < entries) {
    signal.throwIfAborted();
    await store.indexNext();
    onProgress(store.indexed, entries);
  }
  return entries;
}

/**
 * Compares the index of a ledger that no ledgerd has open with its entries.
 *
 * @throws what Store.openAny throws; LEDGER_E_INDEXING if it does not cover all entries
 */
export async function compareDirectoryIndex(directory: string): Promise<IndexComparison> {
  await using store = await openForIndex(directory);
  return await store.ask(compareIndex);
}

async function openForIndex(directory: string): Promise<Store & AsyncDisposable> {
  const store = await Store.openAny(directory);
  return Object.assign(store, { [Symbol.asyncDispose]: () => store.close() });
}
