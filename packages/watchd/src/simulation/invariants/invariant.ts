import type { LedgerRecord } from "../../policy/events.ts";
import type { Memory } from "../memory.ts";
import type { Seen } from "../watchd.ts";
import type { World } from "../world.ts";

/** Something that must hold after every step; says what is wrong, or null. */
export type Invariant = (seen: Seen, memory: Memory, world: World) => string | null;

const none: readonly LedgerRecord[] = [];

export function recordsOf(seen: Seen, action: string): readonly LedgerRecord[] {
  // Most steps have none.
  if (seen.taken.records.length === 0) return none;
  return seen.taken.records.filter((record) => record.action === action);
}

/** The automatic rollbacks that this step decides on, with the ledger's record of each. */
export function decisionsOf(seen: Seen, memory: Memory) {
  if (seen.taken.commands.length === 0) return [];
  return recordsOf(seen, "generation.rollback").filter(
    ({ details }) => details.by === "watchd" && !memory.decisions.has(String(details.rollback)),
  );
}
