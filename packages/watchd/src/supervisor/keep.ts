import { isDarumaError, type JsonValue } from "@daruma/base";
import type { Journal } from "../journal/journal.ts";

/**
 * Makes what has changed durable: in a new snapshot where the journal is nearly full, otherwise as one more record.
 *
 * @throws WATCHD_E_JOURNAL_*
 */
export async function keep(
  journal: Pick<Journal, "append" | "snapshot" | "nearlyFull">,
  what: { readonly delta: () => JsonValue; readonly snapshot: () => JsonValue },
): Promise<void> {
  if (journal.nearlyFull && (await compact(journal, what.snapshot()))) return;
  try {
    await journal.append(what.delta());
  } catch (error) {
    // More has changed at once than there is room for, as when ten thousand routines are deployed: a snapshot grows the file.
    if (!isFull(error)) throw error;
    await journal.snapshot(what.snapshot());
  }
}

function isFull(error: unknown): boolean {
  return isDarumaError(error) && error.code === "WATCHD_E_JOURNAL_FULL";
}

/** False where there is no room for a snapshot; what room is left still takes records. */
async function compact(journal: Pick<Journal, "snapshot">, snapshot: JsonValue): Promise<boolean> {
  try {
    await journal.snapshot(snapshot);
    return true;
  } catch (error) {
    if (isFull(error)) return false;
    throw error;
  }
}
