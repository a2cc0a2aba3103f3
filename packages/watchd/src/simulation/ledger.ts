import type { Command, LedgerRecord } from "../policy/events.ts";
import { Broken } from "./broken.ts";
import { keyOf } from "./command-keys.ts";

/** What the ledger has been told, and what it has to be told in the end: of everything that was done. */
export class Ledger {
  /** As JSON, in their order. */
  readonly #entries: string[] = [];
  readonly #told = new Set<string>();
  readonly #done = new Set<string>();

  /** An entry that comes again is one, and nothing is left out. */
  take(n: number, record: LedgerRecord): void {
    const text = JSON.stringify(record);
    const known = this.#entries[n - 1];
    if (known !== undefined && known !== text)
      throw new Broken("ledger", `entry ${n} was ${known}, and comes as ${text}`);
    if (n > this.#entries.length + 1)
      throw new Broken("ledger", `entry ${n} comes when there are ${this.#entries.length}`);
    if (known !== undefined) return;
    this.#entries.push(text);
    const deed = deedOf(record);
    if (deed !== null) this.#told.add(deed);
  }

  /** The command is about to be carried out. */
  expect(command: Command): void {
    // To look at something is told by what comes of it; of a search the ledger has no id.
    if (command.type === "probe" || command.type === "verify-closure") return;
    this.#done.add(command.type === "find-earlier" ? `find-earlier ${command.agent}` : keyOf(command));
  }

  /** Something that was done and that it has not been told of; null where there is none. */
  get missing(): string | null {
    for (const deed of this.#done) if (!this.#told.has(deed)) return deed;
    return null;
  }
}

function deedOf({ action, subject, run, details }: LedgerRecord): string | null {
  switch (action) {
    case "agent.start":
      return `start ${run}`;
    case "agent.stop":
      return `stop ${run}`;
    case "generation.rollback":
      return `rollback ${details.rollback}`;
    case "generation.promote":
      return `promote ${subject}`;
    case "recovery.escalate":
      return details.to === "rollback-agent" ? `find-earlier ${subject}` : null;
    default:
      return null;
  }
}
