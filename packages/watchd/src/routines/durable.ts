import type { JsonValue } from "@daruma/base";
import type { Waiting } from "../supervisor/durable.ts";
import { RoutineMap } from "./routine-map.ts";
import type { RoutineState, RoutinesState } from "./state.ts";

/** All of the routines that must survive watchd: the core's state, and what the ledger has yet to be told. */
export interface DurableRoutines {
  readonly schemaVersion: 1;
  readonly state: RoutinesState;
  readonly nextEntry: number;
  readonly waiting: readonly Waiting[];
}

/** The same as a snapshot in the journal has it. */
interface StoredRoutines extends Omit<DurableRoutines, "state"> {
  readonly state: Omit<RoutinesState, "routines"> & {
    readonly routines: Readonly<Record<string, RoutineState>>;
  };
}

/** What one journal record says: only what changed. */
export interface RoutinesDelta {
  readonly state: Omit<RoutinesState, "routines">;
  /** Routines that changed; null for one that is gone. */
  readonly routines: Readonly<Record<string, RoutineState | null>>;
  readonly nextEntry: number;
  readonly added: readonly Waiting[];
  /** Everything up to this entry is in the ledger. */
  readonly acknowledged: number;
}

export function routinesDelta(
  before: RoutinesState,
  after: RoutinesState,
  ledger: Pick<RoutinesDelta, "nextEntry" | "added" | "acknowledged">,
): RoutinesDelta {
  const { routines, ...state } = after;
  return { state, routines: Object.fromEntries(routines.changesSince(before.routines)), ...ledger };
}

export function applyRoutinesDelta(durable: DurableRoutines, delta: RoutinesDelta): DurableRoutines {
  const routines = durable.state.routines.withAll(Object.entries(delta.routines));
  return {
    schemaVersion: 1,
    state: { ...delta.state, routines },
    nextEntry: delta.nextEntry,
    waiting: [...durable.waiting, ...delta.added].filter(({ n }) => n > delta.acknowledged),
  };
}

export function encodeDelta(delta: RoutinesDelta): JsonValue {
  return delta as unknown as JsonValue;
}

export function encodeRoutines(durable: DurableRoutines): JsonValue {
  const { state, ...entries } = durable;
  const stored: StoredRoutines = { ...entries, state: { ...state, routines: state.routines.toRecord() } };
  return stored as unknown as JsonValue;
}

/** What the journal holds, put together. The journal's checksums vouch that we wrote it; its version is checked. */
export function recoverRoutines(recovered: {
  readonly snapshot: JsonValue;
  readonly deltas: readonly JsonValue[];
}): DurableRoutines {
  const snapshot = recovered.snapshot as unknown as StoredRoutines;
  if (snapshot.schemaVersion !== 1) {
    const found = String(snapshot.schemaVersion);
    throw new Error(`the journal holds routines of version ${found}, this release reads 1`);
  }
  return recovered.deltas.reduce<DurableRoutines>(
    (durable, delta) => applyRoutinesDelta(durable, delta as unknown as RoutinesDelta),
    { ...snapshot, state: { ...snapshot.state, routines: RoutineMap.of(snapshot.state.routines) } },
  );
}
