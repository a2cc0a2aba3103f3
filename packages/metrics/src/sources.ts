import { callUnix } from "@daruma/base";
import type { EgressdStatus } from "@daruma/egress";
import type { LedgerStatus } from "@daruma/ledger";
import type { Facts } from "@daruma/watchd";

/** Where a daemon is asked. */
export interface Source {
  readonly socket: string;
  readonly route: string;
}

export interface Sources {
  readonly watchd: Source;
  readonly ledgerd: Source;
  /** Null where none is to be: no agent has rules. */
  readonly egressd: Source | null;
}

/** What a daemon said, and how long it took. */
export interface Answer<T> {
  /** Null if it has not answered, or with something that is none of ours. */
  readonly document: T | null;
  readonly seconds: number;
}

export interface Answers {
  readonly watchd: Answer<Facts>;
  readonly ledgerd: Answer<LedgerStatus>;
  readonly egressd: Answer<EgressdStatus> | null;
}

/** Asks all of them at once, and waits for none of them longer than `withinMs`. Never rejects. */
export async function askAll(sources: Sources, withinMs: number): Promise<Answers> {
  const { watchd, ledgerd, egressd } = sources;
  const [facts, ledger, egress] = await Promise.all([
    ask<Facts>(watchd, withinMs),
    ask<LedgerStatus>(ledgerd, withinMs),
    egressd === null ? null : ask<EgressdStatus>(egressd, withinMs),
  ]);
  return { watchd: facts, ledgerd: ledger, egressd: egress };
}

async function ask<T>({ socket, route }: Source, withinMs: number): Promise<Answer<T>> {
  const begun = performance.now();
  // The head of an answer may come at once, and the rest of it never.
  const signal = AbortSignal.timeout(withinMs);
  const document = await callUnix({ path: socket, method: "GET", route, timeoutMs: withinMs, signal }).catch(
    () => null,
  );
  const isOurs = Reflect.get(Object(document), "schemaVersion") === 1;
  return { document: isOurs ? (document as T) : null, seconds: (performance.now() - begun) / 1000 };
}
