import type { DarumaError, Handler } from "@daruma/base";
import { ledgerErrors } from "./catalogue.ts";
import type { Committer } from "./committer.ts";
import { isLabel, isPlainObject } from "./entry.ts";
import { eraseAction, erasedAtOnce, erasePayloads } from "./erasure.ts";
import { appendAsOperator } from "./operator-entry.ts";
import { type Opening, openStored } from "./payload.ts";
import { readPayload, readPayloads } from "./payload-store.ts";
import { badQuery, integerOf, knowOnly } from "./query.ts";
import type { Store } from "./store.ts";

/** What `GET /v1/payload` answers. */
export interface PayloadDocument extends Opening {
  readonly schemaVersion: 1;
  readonly seq: number;
}

/** What `POST /v1/erase` answers, once nothing is left of them. */
export interface ErasedDocument {
  readonly schemaVersion: 1;
  readonly erased: readonly number[];
  /** The entry that says so. */
  readonly seq: number;
}

interface Order {
  readonly seqs: readonly number[];
  readonly reason: string;
}

/** For the operator alone: what an agent says beside its entries may be about people. */
export function payloadRoutes(store: Store, committer: Committer): Readonly<Record<string, Handler>> {
  return {
    "GET /v1/payload": async (request): Promise<PayloadDocument> => {
      knowOnly(request, ["seq"]);
      const seq = integerOf(request, "seq", 1, null);
      const stored = await store.reading((db) => readPayload(db, seq));
      if (stored === null) throw noPayload(`entry ${seq} has no payload, or none any more`);
      const opening = openStored(stored);
      if (opening !== null) return { schemaVersion: 1, seq, ...opening };
      throw ledgerErrors.make("LEDGER_E_DAMAGED", `the payload of entry ${seq} is not readable`);
    },
    "POST /v1/erase": ({ body }) => erase(store, committer, orderIn(body)),
  };
}

/** Not before the ledger says that it will be done: whoever looks for what is missing finds out by whom and why. */
async function erase(store: Store, committer: Committer, order: Order): Promise<ErasedDocument> {
  const found = await store.reading((db) => readPayloads(db, order.seqs));
  const seqs = found.map(({ seq }) => seq);
  if (seqs.length === 0) throw noPayload("none of these entries has a payload, or none any more");
  const details = { seqs: seqs.map(String), reason: order.reason, severity: "warning" };
  const intent = await appendAsOperator(store, committer, eraseAction, details);
  await erasePayloads(store, seqs, (write) => committer.between(write));
  return { schemaVersion: 1, erased: seqs, seq: intent };
}

/** @throws LEDGER_E_BAD_REQUEST */
function orderIn(body: unknown): Order {
  if (!isPlainObject(body)) throw badQuery("the body is {seqs, reason}");
  const { seqs, reason } = body;
  const isSeq = (seq: unknown) => Number.isSafeInteger(seq) && (seq as number) >= 1;
  if (!Array.isArray(seqs) || seqs.length === 0 || seqs.length > erasedAtOnce || !seqs.every(isSeq)) {
    throw badQuery(`seqs must be 1 to ${erasedAtOnce} numbers of entries`);
  }
  if (!isLabel(reason)) throw badQuery("reason must be 1 to 256 characters without control characters");
  return { seqs: [...new Set(seqs as number[])].toSorted((a, b) => a - b), reason };
}

function noPayload(message: string): DarumaError {
  return ledgerErrors.make("LEDGER_E_NO_PAYLOAD", message);
}
