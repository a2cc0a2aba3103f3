import { setTimeout as sleep } from "node:timers/promises";
import { messageOf } from "@daruma/base";
import { ledgerStatus } from "@daruma/ledger";
import { followEntries } from "../story/follow.ts";
import type { DevReport } from "./report.ts";

export interface StoryOptions {
  readonly socket: string;
  /** `seq` of the last entry that is not part of the story. */
  readonly after: number;
  readonly report: DevReport;
}

/** How long the last entries may take to be told when everything stops. */
const lastWordsMs = 2_000;

/** Tells the ledger's entries as they come, until it is finished. */
export class Story {
  readonly #options: StoryOptions;
  readonly #end = new AbortController();
  readonly #telling: Promise<void>;
  #told: number;

  constructor(options: StoryOptions) {
    this.#options = options;
    this.#told = options.after;
    this.#telling = this.#tell();
  }

  /** Tells what is in the ledger by now, then no more. */
  async finish(): Promise<void> {
    const deadline = performance.now() + lastWordsMs;
    try {
      const { head } = await ledgerStatus({ socket: this.#options.socket, timeoutMs: lastWordsMs });
      while (this.#told < head.seq && performance.now() < deadline) await sleep(10);
    } catch {
      // Without ledgerd there is nothing more to tell; what happened is in watchd's journal until it is back.
    }
    this.#end.abort();
    await this.#telling;
  }

  async #tell(): Promise<void> {
    const { socket, report } = this.#options;
    const signal = this.#end.signal;
    const patienceMs = Number.POSITIVE_INFINITY;
    try {
      for await (const stored of followEntries({ socket, after: this.#told, signal, patienceMs })) {
        await report.entry(stored);
        this.#told = stored.entry.seq;
      }
    } catch (error) {
      // Agents are looked after all the same: it is only told no longer what happens.
      if (!signal.aborted) report.note(`what happens cannot be told any longer: ${messageOf(error)}`);
    }
  }
}
