import type { Committer } from "./committer.ts";
import { type JsonObject, prepareEntry } from "./entry.ts";
import type { Outcome } from "./group.ts";
import { operatorWriter } from "./request.ts";
import type { Store } from "./store.ts";

/**
 * Says in the ledger what the operator is about to do to it. Returns the number of the entry, once it is durable.
 *
 * @throws LEDGER_E_WRITE_FAILED, LEDGER_E_DAMAGED, LEDGER_E_STOPPING
 */
export async function appendAsOperator(
  store: Store,
  committer: Committer,
  action: string,
  details: JsonObject,
): Promise<number> {
  const prepared = prepareEntry({ action, subject: "ledger", details }, store.host, operatorWriter);
  const outcome = await new Promise<Outcome>((answer) =>
    committer.submit({ writer: operatorWriter, prepared, key: null, bytes: 0, answer }),
  );
  if (outcome.kind === "written") return outcome.seq;
  if (outcome.kind === "refused") throw outcome.error;
  throw new Error("an entry without a key was taken for a duplicate");
}
