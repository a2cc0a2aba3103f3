import type { Command, Event, LedgerRecord } from "../policy/events.ts";
import { nextWake, step } from "../policy/policy.ts";
import type { State } from "../policy/state.ts";
import type { Clock } from "../ports.ts";
import { deltaBetween, encode } from "./durable.ts";
import { type LoopOptions, type Round, WriteAheadLoop } from "./write-ahead.ts";

export type Engine = WriteAheadLoop<State, Event, Command>;

export interface EngineOptions
  extends Omit<LoopOptions<State, Event, Command, Round<State, Command>>, "core" | "onRecords"> {
  readonly clock: Clock;
  /** Called with what each event has come to, and the state after it; for counting. */
  readonly onRecords?: ((records: readonly LedgerRecord[], state: State) => void) | undefined;
}

/** The policy of recovery and rollback, as it is driven. */
export function createEngine({ clock, onRecords, ...options }: EngineOptions): Engine {
  return new WriteAheadLoop<State, Event, Command>({
    ...options,
    core: {
      judge(state, events) {
        const commands: Command[] = [];
        const records: LedgerRecord[] = [];
        let after = state;
        for (const event of events) {
          const taken = step(after, event, clock.now());
          after = taken.state;
          commands.push(...taken.commands);
          records.push(...taken.records);
          onRecords?.(taken.records, after);
        }
        return { state: after, commands, records };
      },
      // A probe asks, and changes nothing: what is known of it may be lost.
      weighs: ({ commands }) => commands.some(({ type }) => type !== "probe"),
      wakeIn(state) {
        const at = nextWake(state);
        return at === null ? null : at - clock.now().mono;
      },
      tick: { type: "tick" },
      delta: (durable, { state }, mark) => encode(deltaBetween(durable, state, mark)),
      snapshot: (state, entries) => encode({ state, ...entries }),
    },
  });
}
