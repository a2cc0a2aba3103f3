import type { LedgerRecord } from "../../policy/events.ts";
import type { Told } from "../../webhooks/receiver.ts";

export interface DeliveriesOptions {
  /** The routine that a path of the listener fires. */
  readonly routineOf: (route: string) => string | undefined;
  readonly note: (record: LedgerRecord) => void;
  readonly now: () => number;
}

/** What is not taken is summed up over this time: whoever can reach the port must not be able to fill the ledger. In ms. */
export const sumUpMs = 60_000;

interface Sum {
  readonly since: number;
  readonly told: Told;
  times: number;
}

/**
 * Tells the ledger of deliveries: each that was proven and taken, now or before; and of all others, for which nobody need prove
 * anything, the first of a kind and then how many there were.
 */
export class Deliveries {
  readonly #options: DeliveriesOptions;
  readonly #sums = new Map<string, Sum>();
  readonly #timer: NodeJS.Timeout;

  constructor(options: DeliveriesOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.flush(), sumUpMs);
  }

  tell(told: Told): void {
    if (told.outcome === "taken" || told.outcome === "repeated") return this.#note(told, 1, null);
    const key = `${told.route} ${told.why}`;
    const sum = this.#sums.get(key);
    if (sum !== undefined) {
      sum.times += 1;
      return;
    }
    this.#sums.set(key, { since: this.#options.now(), told, times: 0 });
    this.#note(told, 1, null);
  }

  /** Tells what has been summed up so far. */
  flush(): void {
    for (const [key, { since, told, times }] of this.#sums) {
      this.#sums.delete(key);
      if (times > 0) this.#note(told, times, since);
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.flush();
  }

  #note({ route, outcome, why, bytes, bodySha256 }: Told, times: number, since: number | null): void {
    const routine = route === null ? undefined : this.#options.routineOf(route);
    this.#options.note({
      action: "routine.delivery",
      subject: routine ?? "(none)",
      at: this.#options.now(),
      severity: outcome === "failed" ? "critical" : "info",
      details: {
        outcome,
        why,
        times,
        // Of many, only one body could be told of, and none stands for the others.
        ...(since === null ? { bytes, bodySha256 } : { since: new Date(since).toISOString() }),
      },
    });
  }
}
