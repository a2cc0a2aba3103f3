import { type LoopOptions, WriteAheadLoop } from "../supervisor/write-ahead.ts";
import { type AlertEvent, nextWakeAt, stepAlerts } from "./core.ts";
import { encodeAlerts } from "./durable.ts";
import type { AlertsState, SendCommand, Setting } from "./state.ts";

type AlertsRound = ReturnType<typeof stepAlerts>;

export type AlertsEngine = WriteAheadLoop<AlertsState, AlertEvent, SendCommand, AlertsRound>;

export interface AlertsEngineOptions
  extends Omit<LoopOptions<AlertsState, AlertEvent, SendCommand, AlertsRound>, "core"> {
  readonly setting: () => Setting;
  /** Unix time in milliseconds. */
  readonly wallNow: () => number;
}

/** Two wakes are never closer: a core that asks to be woken at once, again and again, would take a processor for itself. */
const shortestSleepMs = 20;

/** The judgement of alerts, as it is driven. */
export function createAlertsEngine({ setting, wallNow, ...options }: AlertsEngineOptions): AlertsEngine {
  return new WriteAheadLoop<AlertsState, AlertEvent, SendCommand, AlertsRound>({
    ...options,
    core: {
      judge: (state, events) => stepAlerts(state, events, setting(), wallNow()),
      weighs: ({ state }, durable) => state !== durable,
      wakeIn(state) {
        const now = wallNow();
        const at = nextWakeAt(state, setting(), now);
        return at === null ? null : Math.max(shortestSleepMs, at - now);
      },
      tick: { type: "tick" },
      delta: (_, { state: { counter }, changes }, mark) => encodeAlerts({ counter, changes, ...mark }),
      snapshot: (state, entries) => encodeAlerts({ schemaVersion: 1, state, ...entries }),
    },
  });
}
