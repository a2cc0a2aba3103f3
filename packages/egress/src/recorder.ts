import { messageOf, systemCode } from "@daruma/base";
import type { AppendRequest, LedgerConnection } from "@daruma/ledger";
import type { Explanation } from "./explain.ts";

export interface RecorderOptions {
  /** Connects to ledgerd; asked again, with growing pauses, whenever the connection is gone. */
  readonly connect: () => Promise<Pick<LedgerConnection, "append" | "close" | "closed">>;
  /** Repetitions within this time are one entry. */
  readonly windowMs: number;
  /** Different things to tell of within one window, for each agent; what is beyond is counted as one. */
  readonly maxKeys?: number;
  readonly log: (message: string) => void;
}

/** How a connection came in. */
export type Via = "connect" | "http" | "socks" | "forward";

export interface Denial {
  readonly agent: string;
  readonly explanation: Explanation;
  readonly via: Via;
  /** Whether it was refused, or let through because the mode is `observe`. */
  readonly isRefused: boolean;
}

export interface Connection {
  readonly agent: string;
  /** In normal form. */
  readonly target: string;
  readonly via: Via;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly durationMs: number;
}

export interface Failure {
  readonly agent: string;
  readonly target: string;
  readonly via: Via;
  readonly code: string;
}

type Draft = Pick<AppendRequest, "action" | "subject" | "details">;

interface Summary {
  readonly draft: Draft;
  readonly sums: Record<string, number>;
  readonly since: string;
}

/** Entries that wait for ledgerd. What is beyond is lost, and how many that were is in the next entry. */
const maxWaiting = 10_000;

/**
 * Tells the ledger who reached what. A first denial is told at once; what happens again within the window is summed up into
 * one entry at its end, so that an agent that tries ten thousand times fills no disk and hides nothing. Hosts, bytes and
 * times only: never what was said.
 */
export class Recorder {
  readonly #options: RecorderOptions;
  readonly #epoch = crypto.randomUUID();
  readonly #summaries = new Map<string, Summary>();
  /** How many of the summaries are of each agent. */
  readonly #counts = new Map<string, number>();
  readonly #waiting: AppendRequest[] = [];
  readonly #timer: NodeJS.Timeout;
  #n = 0;
  #lost = 0;
  #sending: Promise<void> | null = null;
  #isClosing = false;

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#endWindow(), options.windowMs).unref();
  }

  denied({ agent, explanation, via, isRefused }: Denial): void {
    const { reason, rule, message, address } = explanation;
    const target = explanation.target ?? "";
    const draft: Draft = {
      action: isRefused ? "egress.deny" : "egress.would-deny",
      subject: agent,
      details: {
        target,
        reason,
        rule: rule === null ? null : `${rule.entry} (${rule.scope})`,
        message,
        via,
        ...(address === undefined ? {} : { address: address.address, addressClass: address.class }),
      },
    };
    const key = JSON.stringify([draft.action, agent, target, reason, via]);
    const isToldNow = !this.#summaries.has(key) && this.#keysOf(agent) < this.#maxKeys;
    if (isToldNow) this.#append({ ...draft, details: { ...draft.details, times: 1 } });
    this.#add(key, draft, { times: isToldNow ? 0 : 1 });
  }

  connected({ agent, target, via, ...sums }: Connection): void {
    const draft: Draft = { action: "egress.connect", subject: agent, details: { target, via } };
    this.#add(JSON.stringify([draft.action, agent, target, via]), draft, { connections: 1, ...sums });
  }

  failed({ agent, target, via, code }: Failure): void {
    const draft: Draft = { action: "egress.fail", subject: agent, details: { target, code, via } };
    this.#add(JSON.stringify([draft.action, agent, target, code, via]), draft, { times: 1 });
  }

  /** Something about egressd itself, or about one agent, that happens rarely. */
  note(draft: Draft): void {
    this.#append(draft);
  }

  /** Entries that ledgerd has not taken yet. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Tells what is left, as far as that goes within `withinMs`. */
  async close(withinMs: number): Promise<void> {
    this.#isClosing = true;
    clearInterval(this.#timer);
    this.#endWindow();
    const done = this.#sending ?? Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, withinMs);
    await Promise.race([done, promise]);
    clearTimeout(timer);
  }

  get #maxKeys(): number {
    return this.#options.maxKeys ?? 1_000;
  }

  #keysOf(agent: string): number {
    return this.#counts.get(agent) ?? 0;
  }

  #add(key: string, draft: Draft, sums: Readonly<Record<string, number>>): void {
    const agent = draft.subject;
    const known = this.#summaries.get(key);
    const isBeyond = known === undefined && this.#keysOf(agent) >= this.#maxKeys;
    // Whoever invents a new target each time is told of in one entry, whose target is the word for that.
    const place = isBeyond ? JSON.stringify([draft.action, agent]) : key;
    const others: Draft = { ...draft, details: { ...draft.details, target: "(others)" } };
    const summary = this.#summaries.get(place) ?? {
      draft: isBeyond ? others : draft,
      sums: {},
      since: new Date().toISOString(),
    };
    if (!this.#summaries.has(place)) this.#counts.set(agent, this.#keysOf(agent) + 1);
    for (const [name, value] of Object.entries(sums)) summary.sums[name] = (summary.sums[name] ?? 0) + value;
    this.#summaries.set(place, summary);
  }

  #endWindow(): void {
    for (const { draft, sums, since } of this.#summaries.values()) {
      if (Object.values(sums).every((value) => value === 0)) continue;
      this.#append({ ...draft, details: { ...draft.details, ...sums, since } });
    }
    this.#summaries.clear();
    this.#counts.clear();
  }

  #append(draft: Draft): void {
    const lost = this.#lost === 0 ? {} : { lost: this.#lost };
    if (this.#waiting.length >= maxWaiting) {
      this.#lost += 1;
      return;
    }
    this.#lost = 0;
    this.#n += 1;
    const key = { epoch: this.#epoch, n: this.#n };
    this.#waiting.push({ ...draft, details: { ...draft.details, ...lost }, key });
    this.#sending ??= this.#send().finally(() => {
      this.#sending = null;
    });
  }

  /** Sends what waits until nothing does. The keys make what is sent twice one entry. */
  async #send(): Promise<void> {
    let pauseMs = 50;
    let told = false;
    while (this.#waiting.length > 0) {
      try {
        const ledger = await this.#options.connect();
        try {
          await this.#drain(ledger);
        } finally {
          await ledger.close(1_000);
        }
        if (told) this.#options.log("the ledger takes entries again");
        told = false;
        pauseMs = 50;
      } catch (error) {
        if (!told) this.#options.log(`the ledger takes no entries, they wait here: ${messageOf(error)}`);
        told = true;
        const { promise, resolve } = Promise.withResolvers<void>();
        const timer = setTimeout(resolve, this.#isClosing ? 50 : pauseMs);
        if (!this.#isClosing) timer.unref();
        await promise;
        pauseMs = Math.min(pauseMs * 2, 5_000);
      }
    }
  }

  async #drain(ledger: Pick<LedgerConnection, "append">): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.slice(0, 64);
      const outcomes = await Promise.allSettled(batch.map((entry) => ledger.append(entry)));
      for (const outcome of outcomes) {
        if (outcome.status === "fulfilled") this.#waiting.shift();
        else {
          this.#withhold(outcome.reason);
          throw outcome.reason;
        }
      }
    }
  }

  /** What the ledger will never take must not keep what is behind it from being told: its details are left out. */
  #withhold(error: unknown): void {
    const [first] = this.#waiting;
    const code = systemCode(error);
    if (first === undefined || (code !== "LEDGER_E_TOO_LARGE" && code !== "LEDGER_E_BAD_REQUEST")) return;
    this.#waiting[0] = { ...first, details: { withheld: code } };
  }
}
