import { type Entry, type Head, readEntry } from "./entry.ts";
import { eraseAction } from "./erasure.ts";
import { type LedgerDb, storeKeys } from "./level.ts";
import { ledgerdActor, lossAction } from "./loss-entry.ts";
import { commitmentInLine, faultOfOpening, openStored } from "./payload.ts";
import { operatorWriter } from "./request.ts";

/** What a directory holds beside its entries. */
export interface PayloadCount {
  /** Payloads that are there and are what their entries commit to. */
  readonly payloads: number;
  /** Numbers of the entries whose payload is gone, as an entry says. */
  readonly erased: readonly number[];
}

/** Follows the entries as they are verified, and compares with each its payload, or what later entries say of its erasure. */
export class PayloadCheck {
  readonly #iterator: ReturnType<typeof iterate>;
  #next: readonly [string, Buffer] | undefined;
  #payloads = 0;
  readonly #missing = new Set<number>();
  readonly #erased = new Set<number>();

  private constructor(iterator: ReturnType<typeof iterate>) {
    this.#iterator = iterator;
  }

  /** Of what was pruned nothing is looked at. */
  static async begin(db: LedgerDb, pruned: Head): Promise<PayloadCheck> {
    const check = new PayloadCheck(iterate(db, pruned.seq));
    check.#next = await check.#iterator.next();
    return check;
  }

  get count(): PayloadCount {
    return { payloads: this.#payloads, erased: [...this.#erased].sort((a, b) => a - b) };
  }

  /** Takes the next good entry. Returns what is wrong with its payload, as a message without a full stop. */
  async take(seq: number, line: Buffer): Promise<string | null> {
    this.#hear(line);
    const commitment = commitmentInLine(line);
    if (this.#next?.[0] !== storeKeys.payload(seq)) {
      if (commitment !== null) this.#missing.add(seq);
      return null;
    }
    const opening = openStored(this.#next[1]);
    this.#next = await this.#iterator.next();
    if (opening === null) return "its payload is not readable";
    const fault = faultOfOpening(commitment, opening);
    if (fault === null) this.#payloads += 1;
    return fault;
  }

  /** After the last entry: the first one that misses its payload, or a payload that misses its entry. */
  finish(): { readonly seq: number; readonly message: string } | null {
    const [seq] = this.#missing;
    if (seq !== undefined)
      return { seq, message: "its payload is gone, and no entry says that it was erased" };
    if (this.#next === undefined) return null;
    const of = Number.parseInt(this.#next[0].slice(storeKeys.payloads.gt.length), 16);
    return { seq: of, message: "there is its payload, but no such entry" };
  }

  async close(): Promise<void> {
    await this.#iterator.close();
  }

  #hear(line: Buffer): void {
    if (![eraseAction, lossAction].some((action) => line.includes(`{"action":"${action}"`))) return;
    const { entry } = readEntry(line.toString("utf8"));
    if (entry !== null)
      for (const seq of this.#erasedBy(entry)) if (this.#missing.delete(seq)) this.#erased.add(seq);
  }

  /** Writers may append any action, but not as somebody else. A loss may have taken the entries that have said so. */
  #erasedBy({ action, actor, details }: Entry): readonly number[] {
    if (action === lossAction && actor === ledgerdActor) return [...this.#missing];
    const isErasure = action === eraseAction && actor === operatorWriter;
    return isErasure && Array.isArray(details.seqs) ? details.seqs.map(Number) : [];
  }
}

function iterate(db: LedgerDb, after: number) {
  const range = { gt: storeKeys.payload(after), lt: storeKeys.payloads.lt, valueEncoding: "buffer" } as const;
  return db.iterator<string, Buffer>(range);
}
