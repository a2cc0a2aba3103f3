import { isDarumaError } from "@daruma/base";
import type { LedgerRecord } from "../policy/events.ts";
import type { Waiting } from "./durable.ts";

/** What the outbox needs of a ledger connection. */
export interface LedgerPort {
  append(entry: {
    readonly action: string;
    readonly subject: string;
    readonly incident?: string;
    readonly run?: string;
    readonly details: LedgerRecord["details"];
    readonly key?: { readonly epoch: string; readonly n: number };
  }): Promise<unknown>;
  close(): Promise<void>;
}

export interface OutboxOptions {
  readonly epoch: string;
  readonly connect: () => Promise<LedgerPort>;
  readonly nextEntry: number;
  readonly waiting: readonly Waiting[];
  readonly wallNow: () => number;
  /** Hears of each entry before it goes to the ledger, which has it only once this has resolved; never rejects. */
  readonly hear?: ((epoch: string, entries: readonly Waiting[]) => Promise<void>) | undefined;
  /** Called when the ledger takes entries again, and when it does not any more. */
  readonly onReachable?: (reachable: boolean) => void;
  /** A ledger that has an entry before it and acknowledges none for this long takes no entries. Default 10,000. */
  readonly patienceMs?: number;
  readonly log: (message: string) => void;
}

/** An entry recorded this much after it happened says so. */
const lateAfterMs = 1_000;
/** Code units; the ledger takes 256 characters. */
const longestSubject = 200;

/** Refusals that the same entry would meet again. */
const faultsOfEntry = new Set(["LEDGER_E_TOO_LARGE", "LEDGER_E_BAD_REQUEST", "JSON_E_NOT_CANONICAL"]);
const retryMs = { first: 50, most: 2_000 };
const patienceMs = 10_000;

/**
 * Entries on their way to the ledger, in order. They are in watchd's journal before they are here, so that nothing is
 * lost while ledgerd is away; what is sent twice is recorded once, because ledgerd knows each by its key.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #queue: Waiting[];
  #nextEntry: number;
  #acknowledged: number;
  #sending = 0;
  /** Up to where entries have been heard of. */
  #heard = 0;
  #ledger: LedgerPort | null = null;
  #retryMs = retryMs.first;
  #timer: NodeJS.Timeout | null = null;
  #connecting = false;
  #closed = false;
  /** Runs while an acknowledgement is due. */
  #patience: NodeJS.Timeout | null = null;
  /** It is connected, and has not acknowledged anything for too long. */
  #hangs = false;
  #waits: { readonly isOver: () => boolean; readonly end: () => void }[] = [];

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#queue = [...options.waiting];
    this.#nextEntry = options.nextEntry;
    this.#acknowledged = (this.#queue[0]?.n ?? options.nextEntry) - 1;
  }

  get nextEntry(): number {
    return this.#nextEntry;
  }

  /** Everything up to this entry is in the ledger. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  get waiting(): readonly Waiting[] {
    return this.#queue;
  }

  /** Whether there is a ledger, and it acknowledges what it is sent. */
  get connected(): boolean {
    return this.#ledger !== null && !this.#hangs;
  }

  /** Gives the records their numbers. They are sent by `send`, once the journal has them. */
  number(records: readonly LedgerRecord[]): readonly Waiting[] {
    return records.map((record) => ({ n: this.#nextEntry++, record }));
  }

  send(entries: readonly Waiting[]): void {
    this.#queue.push(...entries);
    this.#tell(entries);
    this.#pump();
  }

  start(): void {
    this.#tell(this.#queue);
    void this.#connect();
  }

  /** Resolves when nothing waits any more, or after `withinMs`. */
  async settle(withinMs: number): Promise<void> {
    await this.#until(() => this.#queue.length === 0, withinMs);
  }

  /** Whether the ledger has everything that was numbered up to now, or comes to have it within `withinMs`. */
  hasAll(withinMs: number): Promise<boolean> {
    const last = this.#nextEntry - 1;
    return this.#until(() => this.#acknowledged >= last, withinMs);
  }

  #until(isOver: () => boolean, withinMs: number): Promise<boolean> {
    if (isOver()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#waits = this.#waits.filter((other) => other !== wait);
        resolve(false);
      }, withinMs);
      const end = () => {
        clearTimeout(timer);
        resolve(true);
      };
      const wait = { isOver, end };
      this.#waits.push(wait);
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#expectNothing();
    await this.#ledger?.close();
    this.#ledger = null;
  }

  #tell(entries: readonly Waiting[]): void {
    const { hear, epoch } = this.#options;
    const last = entries.at(-1)?.n ?? 0;
    if (hear === undefined) this.#heard = Number.POSITIVE_INFINITY;
    else if (last > 0)
      void hear(epoch, [...entries]).then(() => {
        this.#heard = Math.max(this.#heard, last);
        this.#pump();
      });
  }

  async #connect(): Promise<void> {
    if (this.#closed || this.#connecting || this.#ledger !== null) return;
    this.#connecting = true;
    try {
      const ledger = await this.#options.connect();
      if (this.#closed) {
        await ledger.close();
        return;
      }
      this.#ledger = ledger;
      this.#sending = 0;
      this.#options.onReachable?.(true);
      this.#pump();
    } catch (error) {
      this.#retryLater(error);
    } finally {
      this.#connecting = false;
    }
  }

  #retryLater(error: unknown): void {
    if (this.#closed || this.#timer !== null) return;
    this.#options.onReachable?.(false);
    if (this.#retryMs === retryMs.first) this.#options.log(`the ledger cannot be reached: ${String(error)}`);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      void this.#connect();
    }, this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, retryMs.most);
  }

  #pump(): void {
    const ledger = this.#ledger;
    if (ledger === null) return;
    while (this.#sending < this.#queue.length) {
      const entry = this.#queue[this.#sending];
      if (entry === undefined || entry.n > this.#heard) return;
      this.#sending += 1;
      if (this.#patience === null && !this.#hangs) this.#expectAcknowledgement();
      ledger.append(this.#entryOf(entry)).then(
        () => this.#onAcknowledged(ledger, entry),
        (error) => this.#onRefused(ledger, entry, error),
      );
    }
  }

  #entryOf({ n, record }: Waiting): Parameters<LedgerPort["append"]>[0] {
    const { at, severity, details, ...entry } = record;
    const late = this.#options.wallNow() - at > lateAfterMs;
    return {
      ...entry,
      details: { ...details, severity, at: new Date(at).toISOString(), ...(late ? { late: true } : {}) },
      key: { epoch: this.#options.epoch, n },
    };
  }

  /** Acknowledgements of one connection come in order, so the first in the queue is the one meant. */
  #onAcknowledged(ledger: LedgerPort, entry: Waiting): void {
    if (ledger !== this.#ledger || this.#queue[0] !== entry) return;
    this.#queue.shift();
    this.#sending -= 1;
    this.#acknowledged = entry.n;
    this.#retryMs = retryMs.first;
    const hung = this.#hangs;
    this.#expectNothing();
    if (this.#sending > 0) this.#expectAcknowledgement();
    if (hung) this.#options.onReachable?.(true);
    const over = this.#waits.filter(({ isOver }) => isOver());
    this.#waits = this.#waits.filter((wait) => !over.includes(wait));
    for (const { end } of over) end();
  }

  #expectAcknowledgement(): void {
    // What came in while watchd itself was held up is heard before its lateness is judged.
    this.#patience = setTimeout(() => {
      const timer = this.#patience;
      setImmediate(() => {
        if (timer !== null && timer === this.#patience) this.#onSilence();
      });
    }, this.#options.patienceMs ?? patienceMs);
  }

  #expectNothing(): void {
    if (this.#patience !== null) clearTimeout(this.#patience);
    this.#patience = null;
    this.#hangs = false;
  }

  /**
   * The connection stays: what the ledger says on it, however late, is true. To it every connection would be a further
   * one to serve, and one that has ended breaks this one by itself.
   */
  #onSilence(): void {
    this.#expectNothing();
    this.#hangs = true;
    this.#options.log(`the ledger acknowledges nothing: ${this.#queue.length} entries wait`);
    this.#options.onReachable?.(false);
  }

  #onRefused(ledger: LedgerPort, entry: Waiting, error: unknown): void {
    if (ledger !== this.#ledger) return;
    if (isDarumaError(error) && faultsOfEntry.has(error.code)) this.#withhold(entry, error.code);
    this.#ledger = null;
    this.#expectNothing();
    void ledger.close().catch(() => undefined);
    this.#retryLater(error);
  }

  /**
   * One entry that can never be taken must not keep all that follow from being recorded: it goes without its details,
   * and with as much of its subject as the ledger takes.
   */
  #withhold(entry: Waiting, code: string): void {
    const index = this.#queue.indexOf(entry);
    if (index === -1) return;
    this.#options.log(`${code}: the details of entry ${entry.n} (${entry.record.action}) are left out`);
    const { action, subject, at, severity } = entry.record;
    const short = subject.replaceAll(/\p{Cc}/gu, "?").slice(0, longestSubject);
    this.#queue[index] = {
      n: entry.n,
      record: { action, subject: short || "?", at, severity, details: { withheld: code } },
    };
  }
}
