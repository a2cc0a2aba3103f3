import type { Journal } from "../journal/journal.ts";
import type { LedgerRecord } from "../policy/events.ts";
import { keep } from "../supervisor/keep.ts";
import type { Outbox } from "../supervisor/outbox.ts";
import { type AlertEvent, nextWakeAt, stepAlerts } from "./core.ts";
import { encodeAlerts } from "./durable.ts";
import type { AlertsState, SendCommand, Setting } from "./state.ts";

export interface AlertsEngineOptions {
  readonly state: AlertsState;
  readonly setting: () => Setting;
  readonly journal: Pick<Journal, "append" | "snapshot" | "nearlyFull">;
  readonly outbox: Outbox;
  /** Unix time in milliseconds. */
  readonly wallNow: () => number;
  readonly execute: (command: SendCommand) => void;
  /** The journal cannot be written: without it nothing may be done. */
  readonly onFatal: (error: unknown) => void;
}

/** The wall clock may be stepped while a timer sleeps, and the machine may have slept: the core is asked after this. */
const longestSleepMs = 60_000;
/** Two wakes are never closer: a core that asks to be woken at once, again and again, would take a processor for itself. */
const shortestSleepMs = 20;

/** Feeds events to the core of alerts and lets nothing out before it is durable. */
export class AlertsEngine {
  readonly #options: AlertsEngineOptions;
  #state: AlertsState;
  #events: AlertEvent[] = [];
  #notes: LedgerRecord[] = [];
  #asked: ((state: AlertsState) => void)[] = [];
  #working = false;
  #timer: NodeJS.Timeout | null = null;
  #closed = false;
  readonly #watchers = new Set<() => void>();

  constructor(options: AlertsEngineOptions) {
    this.#options = options;
    this.#state = options.state;
  }

  get state(): AlertsState {
    return this.#state;
  }

  dispatch(event: AlertEvent): void {
    if (this.#closed) return;
    this.#events.push(event);
    if (!this.#working) void this.#work();
  }

  /** As `dispatch`. Resolves once what came of the event is durable. */
  ask(event: AlertEvent): Promise<AlertsState> {
    if (this.#closed) return Promise.reject(new Error("alerts are closed"));
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

  /** Resolves with true as soon as `condition` holds, with false after `withinMs`. */
  until(condition: (state: AlertsState) => boolean, withinMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const end = (holds: boolean) => {
        clearTimeout(timer);
        this.#watchers.delete(look);
        resolve(holds);
      };
      const look = () => {
        if (condition(this.#state)) end(true);
      };
      const timer = setTimeout(() => end(false), withinMs);
      this.#watchers.add(look);
      look();
    });
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
    const { outbox, execute, journal, setting, wallNow } = this.#options;
    const asked = this.#asked.splice(0);
    const notes = this.#notes.splice(0);
    const before = this.#state;
    const taken = stepAlerts(before, this.#events.splice(0), setting(), wallNow());
    this.#state = taken.state;
    const added = outbox.number([...notes, ...taken.records]);
    if (added.length > 0 || taken.state !== before) {
      const { nextEntry, acknowledged } = outbox;
      const { counter } = taken.state;
      await keep(journal, {
        delta: () => encodeAlerts({ counter, changes: taken.changes, nextEntry, added, acknowledged }),
        snapshot: () =>
          encodeAlerts({
            schemaVersion: 1,
            state: taken.state,
            nextEntry,
            waiting: [...outbox.waiting, ...added],
          }),
      });
    }
    for (const command of taken.commands) execute(command);
    outbox.send(added);
    for (const resolve of asked) resolve(taken.state);
    for (const look of [...this.#watchers]) look();
  }

  #sleep(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#closed) return;
    const now = this.#options.wallNow();
    const at = nextWakeAt(this.#state, this.#options.setting(), now);
    if (at === null) return;
    const delay = Math.min(Math.max(shortestSleepMs, at - now), longestSleepMs);
    this.#timer = setTimeout(() => this.dispatch({ type: "tick" }), Math.ceil(delay));
  }
}
