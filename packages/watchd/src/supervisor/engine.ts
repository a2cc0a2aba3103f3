import type { Journal } from "../journal/journal.ts";
import type { Command, Event, LedgerRecord } from "../policy/events.ts";
import { nextWake, step } from "../policy/policy.ts";
import type { State } from "../policy/state.ts";
import type { Clock } from "../ports.ts";
import { deltaBetween, encode } from "./durable.ts";
import { keep } from "./keep.ts";
import type { Outbox } from "./outbox.ts";

export interface EngineOptions {
  readonly state: State;
  readonly clock: Clock;
  readonly journal: Pick<Journal, "append" | "snapshot" | "nearlyFull">;
  readonly outbox: Outbox;
  readonly execute: (command: Command) => void;
  /** The journal cannot be written: without it nothing may be done. */
  readonly onFatal: (error: unknown) => void;
  /** Called with each state that is durable; nothing comes of it before this resolves. */
  readonly beforeActing?: ((state: State) => Promise<void>) | undefined;
  /** Called with what each event has come to, and the state after it; for counting. */
  readonly onRecords?: ((records: readonly LedgerRecord[], state: State) => void) | undefined;
}

/** The longest that a timer sleeps; the core is asked again then. Node's own limit is 2^31 - 1 ms. */
const longestSleepMs = 60_000;

/**
 * Feeds events to the core, one after the other, and lets nothing out before it is durable: first the journal has the
 * new state, the intents and the ledger entries, then commands are carried out and entries are sent.
 */
export class Engine {
  readonly #options: EngineOptions;
  #state: State;
  /** What the journal holds: a round that needs no write is part of the next one's delta. */
  #durable: State;
  #events: Event[] = [];
  #notes: { readonly record: LedgerRecord; readonly noted: () => void }[] = [];
  #working = false;
  #timer: NodeJS.Timeout | null = null;
  #closed = false;
  #watchers = new Set<(state: State) => void>();

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#state = options.state;
    this.#durable = options.state;
  }

  /** The state whose intents are all durable, or will be before anything comes of them. */
  get state(): State {
    return this.#state;
  }

  dispatch(event: Event): void {
    if (this.#closed) return;
    this.#events.push(event);
    if (!this.#working) void this.#work();
  }

  /** An entry that the core does not make itself, such as `watchd.start`. Resolves once the journal has it. */
  note(record: LedgerRecord): Promise<void> {
    return new Promise((noted) => {
      this.#notes.push({ record, noted });
      if (!this.#working) void this.#work();
    });
  }

  /** Resolves with the state as soon as `condition` holds for it. */
  async until(condition: (state: State) => boolean): Promise<State> {
    if (!this.#working && condition(this.#state)) return this.#state;
    return new Promise((resolve) => {
      const watcher = (state: State) => {
        if (!condition(state)) return;
        this.#watchers.delete(watcher);
        resolve(state);
      };
      this.#watchers.add(watcher);
    });
  }

  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  async #work(): Promise<void> {
    this.#working = true;
    try {
      while ((this.#events.length > 0 || this.#notes.length > 0) && !this.#closed) {
        await this.#round();
        for (const watcher of this.#watchers) watcher(this.#state);
      }
    } catch (error) {
      this.close();
      this.#options.onFatal(error);
      return;
    } finally {
      this.#working = false;
    }
    this.#sleep();
  }

  /** All that has gathered is judged together and costs one write. */
  async #round(): Promise<void> {
    const commands: Command[] = [];
    const notes = this.#notes.splice(0);
    const records = notes.map(({ record }) => record);
    for (const event of this.#events.splice(0)) {
      const taken = step(this.#state, event, this.#options.clock.now());
      this.#state = taken.state;
      commands.push(...taken.commands);
      records.push(...taken.records);
      this.#options.onRecords?.(taken.records, taken.state);
    }
    const added = this.#options.outbox.number(records);
    const weighs = added.length > 0 || commands.some((command) => command.type !== "probe");
    if (weighs) await this.#persist(added);
    for (const { noted } of notes) noted();
    if (weighs) await this.#options.beforeActing?.(this.#state);
    for (const command of commands) this.#options.execute(command);
    this.#options.outbox.send(added);
  }

  async #persist(added: ReturnType<Outbox["number"]>): Promise<void> {
    const { journal, outbox } = this.#options;
    const state = this.#state;
    const { nextEntry, acknowledged } = outbox;
    await keep(journal, {
      delta: () => encode(deltaBetween(this.#durable, state, { nextEntry, added, acknowledged })),
      snapshot: () => encode({ state, nextEntry, waiting: [...outbox.waiting, ...added] }),
    });
    this.#durable = state;
  }

  #sleep(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const at = nextWake(this.#state);
    if (at === null || this.#closed) return;
    const delay = Math.min(Math.max(0, at - this.#options.clock.now().mono), longestSleepMs);
    this.#timer = setTimeout(() => this.dispatch({ type: "tick" }), Math.ceil(delay));
  }
}
