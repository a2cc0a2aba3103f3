import type { JsonValue } from "@daruma/base";
import type { Waiting } from "../supervisor/durable.ts";
import { type AlertsState, applyChanges, type Changes } from "./state.ts";

/** All of alerts that must survive watchd: the core's state, and what the ledger has yet to be told. */
export interface DurableAlerts {
  readonly schemaVersion: 1;
  readonly state: AlertsState;
  readonly nextEntry: number;
  readonly waiting: readonly Waiting[];
}

/** What one journal record says: only what changed. */
export interface AlertsDelta {
  readonly counter: number;
  readonly changes: Changes;
  readonly nextEntry: number;
  readonly added: readonly Waiting[];
  /** Everything up to this entry is in the ledger. */
  readonly acknowledged: number;
}

export function encodeAlerts(value: DurableAlerts | AlertsDelta): JsonValue {
  return value as unknown as JsonValue;
}

/** What the journal holds, put together. The journal's checksums vouch that we wrote it; its version is checked. */
export function recoverAlerts(recovered: {
  readonly snapshot: JsonValue;
  readonly deltas: readonly JsonValue[];
}): DurableAlerts {
  const snapshot = recovered.snapshot as unknown as DurableAlerts;
  if (snapshot.schemaVersion !== 1) {
    const found = String(snapshot.schemaVersion);
    throw new Error(`the journal holds alerts of version ${found}, this release reads 1`);
  }
  return recovered.deltas.reduce<DurableAlerts>((durable, each) => {
    const delta = each as unknown as AlertsDelta;
    return {
      schemaVersion: 1,
      state: applyChanges(durable.state, delta.changes, delta.counter),
      nextEntry: delta.nextEntry,
      waiting: [...durable.waiting, ...delta.added].filter(({ n }) => n > delta.acknowledged),
    };
  }, snapshot);
}
