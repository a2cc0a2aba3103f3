import type { Journal } from "../journal/journal.ts";
import type { LedgerRecord } from "../policy/events.ts";
import type { Clock } from "../ports.ts";
import { keep } from "../supervisor/keep.ts";
import type { Outbox } from "../supervisor/outbox.ts";
import { nextWakeIn, stepRoutines } from "./core.ts";
import { encodeRoutines, routinesDelta } from "./durable.ts";
import type { RoutineCommand, RoutineEvent } from "./events.ts";
import type { RoutinesState } from "./state.ts";

export interface RoutineEngineOptions {
  readonly state: RoutinesState;
  readonly clock: Clock;
  readonly journal: Pick<Journal, "append" | "snapshot" | "nearlyFull">;
  readonly outbox: Outbox;
  readonly execute: (command: RoutineCommand) => void;
  /** What has come about, once it is durable. */
  readonly onRecords: (records: readonly LedgerRecord[]) => void;
  /** The journal cannot be written: without it nothing may be done. */
  readonly onFatal: (error: unknown) => void;
}

/** What one round has come to. */
export interface RoutineRound {
  readonly state: RoutinesState;
  readonly records: readonly LedgerRecord[];
}

/** The wall clock may be stepped while a timer sleeps, and the machine may have slept: the core is asked after this. */
const longestSleepMs = 60_000;

/**
 * Feeds events to the core of the routines and lets nothing out before it is durable: first the journal has the new state
 * and the ledger entries, then commands are carried out and entries are sent.
 */
export class RoutineEngine {
  readonly #options: RoutineEngineOptions;
  #state: RoutinesState;
  /** What the journal holds. */
  #durable: RoutinesState;
  #events: RoutineEvent[] = [];
  #notes: LedgerRecord[] = [];
  #asked: ((round: RoutineRound) => void)[] = [];
  #working = false;
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(options: RoutineEngineOptions) {
    this.#options = options;
    this.#state = options.state;
    this.#durable = options.state;
  }

  get state(): RoutinesState {
    return this.#state;
  }

  dispatch(event: RoutineEvent): void {
    if (this.#closed) return;
    this.#events.push(event);
    if (!this.#working) void this.#work();
  }

  /** As `dispatch`. Resolves with the round in which the event was judged, once that is durable. */
  ask(event: RoutineEvent): Promise<RoutineRound> {
    if (this.#closed) return Promise.reject(new Error("the routines are closed"));
    return new Promise((resolve) => {
      this.#asked.push(resolve);
      this.dispatch(event);
    });
  }

  /** An entry that the core does not make itself. */
  note(record: LedgerRecord): void {
    this.#notes.push(record);
    this.dispatch({ type: "tick" });
  }

  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  async #work(): Promise<void> {
    this.#working = true;
    try {
      // What else happens in this turn of the event loop is judged together.
      await Promise.resolve();
      while (this.#events.length > 0 && !this.#closed) await this.#round();
    } catch (error) {
      this.close();
      this.#options.onFatal(error);
      return;
    } finally {
      this.#working = false;
    }
    this.#sleep();
  }

  async #round(): Promise<void> {
    const { clock, outbox, execute } = this.#options;
    const asked = this.#asked.splice(0);
    const notes = this.#notes.splice(0);
    const taken = stepRoutines(this.#state, this.#events.splice(0), clock.now());
    this.#state = taken.state;
    const records = [...notes, ...taken.records];
    const added = outbox.number(records);
    if (added.length > 0 || this.#state !== this.#durable) await this.#persist(taken.state, added);
    for (const command of taken.commands) execute(command);
    outbox.send(added);
    for (const resolve of asked) resolve({ state: taken.state, records });
    if (records.length > 0) this.#options.onRecords(records);
  }

  async #persist(state: RoutinesState, added: ReturnType<Outbox["number"]>): Promise<void> {
    const { journal, outbox } = this.#options;
    const { nextEntry, acknowledged } = outbox;
    await keep(journal, {
      delta: () => encodeRoutines(routinesDelta(this.#durable, state, { nextEntry, added, acknowledged })),
      snapshot: () =>
        encodeRoutines({ schemaVersion: 1, state, nextEntry, waiting: [...outbox.waiting, ...added] }),
    });
    this.#durable = state;
  }

  #sleep(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#closed) return;
    const wakeIn = nextWakeIn(this.#state, this.#options.clock.now());
    if (wakeIn === null) return;
    const delay = Math.ceil(Math.min(wakeIn, longestSleepMs));
    this.#timer = setTimeout(() => this.dispatch({ type: "tick" }), delay);
  }
}
