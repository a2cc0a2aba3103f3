import { type ReadOptions, readEntries, type StoredEntry } from "@daruma/ledger";

/** Every entry that is asked for, at once: for questions whose answers are bounded. Throws what readEntries throws. */
export async function collectEntries(options: ReadOptions): Promise<readonly StoredEntry[]> {
  const found: StoredEntry[] = [];
  for await (const stored of readEntries(options)) found.push(stored);
  return found;
}
