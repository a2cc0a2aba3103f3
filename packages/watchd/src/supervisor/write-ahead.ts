import type { JsonValue } from "@daruma/base";
import type { Journal } from "../journal/journal.ts";
import type { LedgerRecord } from "../policy/events.ts";
import type { Waiting } from "./durable.ts";
import { keep } from "./keep.ts";
import type { Outbox } from "./outbox.ts";

/** What some events have come to. */
export interface Round<S, C> {
  readonly state: S;
  readonly commands: readonly C[];
  readonly records: readonly LedgerRecord[];
}

/** Where the entries for the ledger stand. */
interface Mark {
  readonly nextEntry: number;
  /** Entries of this round. */
  readonly added: readonly Waiting[];
  /** Up to which number the ledger has them. */
  readonly acknowledged: number;
}

/** A pure core, and how what it says is written down. What time it is and how it is set are its own affair. */
export interface Core<S, E, R extends Round<S, unknown>> {
  /** What the events come to, in their order; there may be none, where only an entry was noted. */
  judge(state: S, events: readonly E[]): R;
  /** Whether the journal has to have it before anything comes of it, entries for the ledger aside: those always weigh. */
  weighs(round: R, durable: S): boolean;
  /** Milliseconds until it wants to be asked again, 0 for at once; `null` if only an event can change anything. */
  wakeIn(state: S): number | null;
  /** The event by which it is asked. */
  readonly tick: E;
  /** What the journal lacks, from the state that it has to the one after this round. */
  delta(durable: S, round: R, mark: Mark): JsonValue;
  snapshot(
    state: S,
    entries: { readonly nextEntry: number; readonly waiting: readonly Waiting[] },
  ): JsonValue;
}

export interface LoopOptions<S, E, C, R extends Round<S, C>> {
  readonly core: Core<S, E, R>;
  /** As it was recovered. */
  readonly state: S;
  readonly journal: Pick<Journal, "append" | "snapshot" | "nearlyFull">;
  readonly outbox: Outbox;
  readonly execute: (command: C) => void;
  /** The journal cannot be written: without it nothing may be done. */
  readonly onFatal: (error: unknown) => void;
  /** Called with each state that is durable; nothing comes of it before this resolves. */
  readonly beforeActing?: ((state: S) => Promise<void>) | undefined;
  /** What has come about, once it is durable and under way. */
  readonly onRecords?: ((records: readonly LedgerRecord[]) => void) | undefined;
}

/** The wall clock may be stepped while a timer sleeps, and the machine may have slept: the core is asked after this. */
const longestSleepMs = 60_000;

/**
 * Feeds events to a core and lets nothing out before it is durable: first the journal has the new state, the intents and the
 * ledger entries, then commands are carried out and entries are sent.
 */
export class WriteAheadLoop<S, E, C, R extends Round<S, C> = Round<S, C>> {
  readonly #options: LoopOptions<S, E, C, R>;
  #state: S;
  /** What the journal holds: a round that needs no write is part of the next one's delta. */
  #durable: S;
  #events: E[] = [];
  #notes: { readonly record: LedgerRecord; readonly noted: () => void }[] = [];
  #asked: ((round: R) => void)[] = [];
  #working = false;
  #timer: NodeJS.Timeout | null = null;
  #closed = false;
  readonly #watchers = new Set<(state: S) => void>();

  constructor(options: LoopOptions<S, E, C, R>) {
    this.#options = options;
    this.#state = options.state;
    this.#durable = options.state;
  }

  /** The state whose intents are all durable, or will be before anything comes of them. */
  get state(): S {
    return this.#state;
  }

  dispatch(event: E): void {
    if (this.#closed) return;
    this.#events.push(event);
    this.#wake();
  }

  /** As `dispatch`. Resolves with the round in which the event was judged, once that is durable. */
  ask(event: E): Promise<R> {
    if (this.#closed) return Promise.reject(new Error("it is closed: nothing is judged any more"));
    return new Promise((resolve) => {
      this.#asked.push(resolve);
      this.dispatch(event);
    });
  }

  /** An entry that the core does not make itself, such as `watchd.start`. Resolves once the journal has it. */
  note(record: LedgerRecord): Promise<void> {
    return new Promise((noted) => {
      this.#notes.push({ record, noted });
      this.#wake();
    });
  }

  /** Resolves with the state as soon as `condition` holds for it: with that one, even if another follows at once. */
  until(condition: (state: S) => boolean): Promise<S> {
    return new Promise((resolve) => void this.#watch(condition, resolve));
  }

  /** Resolves with true as soon as `condition` holds, with false after `withinMs`. */
  untilWithin(condition: (state: S) => boolean, withinMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        stop();
        resolve(false);
      }, withinMs);
      const stop = this.#watch(condition, () => {
        clearTimeout(timer);
        resolve(true);
      });
    });
  }

  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  /** Calls `found` once. Returns what ends the waiting. */
  #watch(condition: (state: S) => boolean, found: (state: S) => void): () => void {
    const look = (state: S) => {
      if (!condition(state)) return;
      this.#watchers.delete(look);
      found(state);
    };
    this.#watchers.add(look);
    if (!this.#working) look(this.#state);
    return () => this.#watchers.delete(look);
  }

  #wake(): void {
    if (!this.#working) void this.#work();
  }

  async #work(): Promise<void> {
    this.#working = true;
    try {
      // What else happens in this turn of the event loop is judged together, and costs one write.
      await Promise.resolve();
      while ((this.#events.length > 0 || this.#notes.length > 0) && !this.#closed) {
        await this.#round();
        for (const look of [...this.#watchers]) look(this.#state);
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

  async #round(): Promise<void> {
    const { core, outbox, execute } = this.#options;
    const asked = this.#asked.splice(0);
    const notes = this.#notes.splice(0);
    const round = core.judge(this.#state, this.#events.splice(0));
    this.#state = round.state;
    const records = [...notes.map(({ record }) => record), ...round.records];
    const added = outbox.number(records);
    const weighs = added.length > 0 || core.weighs(round, this.#durable);
    if (weighs) await this.#persist(round, added);
    for (const { noted } of notes) noted();
    if (weighs) await this.#options.beforeActing?.(round.state);
    for (const command of round.commands) execute(command);
    outbox.send(added);
    for (const resolve of asked) resolve(round);
    if (records.length > 0) this.#options.onRecords?.(records);
  }

  async #persist(round: R, added: readonly Waiting[]): Promise<void> {
    const { core, journal, outbox } = this.#options;
    const { nextEntry, acknowledged } = outbox;
    await keep(journal, {
      delta: () => core.delta(this.#durable, round, { nextEntry, added, acknowledged }),
      snapshot: () => core.snapshot(round.state, { nextEntry, waiting: [...outbox.waiting, ...added] }),
    });
    this.#durable = round.state;
  }

  #sleep(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#closed) return;
    const { wakeIn, tick } = this.#options.core;
    const wish = wakeIn(this.#state);
    if (wish === null) return;
    const delay = Math.ceil(Math.min(Math.max(0, wish), longestSleepMs));
    this.#timer = setTimeout(() => this.dispatch(tick), delay);
  }
}
