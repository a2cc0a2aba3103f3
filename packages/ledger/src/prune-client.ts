import { baseErrors, callUnix } from "@daruma/base";
import type { ConnectOptions } from "./client.ts";
import { isPlainObject } from "./entry.ts";
import type { PrunedDocument, PrunePlanDocument } from "./prune-routes.ts";

/** To delete a hundred million entries. */
const pruningMs = 3_600_000;

/**
 * What could be pruned of the entries earlier than `before` (RFC 3339 in UTC with milliseconds).
 *
 * @throws what callUnix throws; LEDGER_E_BAD_REQUEST, LEDGER_E_INDEXING
 */
export async function ledgerPrunePlan(options: ConnectOptions, before: string): Promise<PrunePlanDocument> {
  const route = `/v1/prune?${new URLSearchParams({ before })}`;
  const document = await callUnix({
    path: options.socket,
    method: "GET",
    route,
    timeoutMs: options.timeoutMs ?? 60_000,
  });
  return checked(document, options.socket, ["earlier", "pruned", "through", "signed"]) as PrunePlanDocument;
}

/**
 * Prunes what a plan for `before` names, up to entry `through`.
 *
 * @throws what callUnix throws; LEDGER_E_BAD_REQUEST, LEDGER_E_NOT_SIGNED, LEDGER_E_INDEXING, LEDGER_E_WRITE_FAILED
 */
export async function pruneLedger(
  options: ConnectOptions,
  order: { readonly before: string; readonly through: number; readonly reason: string },
): Promise<PrunedDocument> {
  const timeoutMs = options.timeoutMs ?? pruningMs;
  const call = { path: options.socket, method: "POST", route: "/v1/prune", body: order, timeoutMs } as const;
  return checked(await callUnix(call), options.socket, ["through", "seq"]) as PrunedDocument;
}

function checked(document: unknown, socket: string, fields: readonly string[]): unknown {
  const isRight = isPlainObject(document) && document.schemaVersion === 1;
  if (isRight && fields.every((name) => document[name] !== undefined)) return document;
  throw baseErrors.make("SOCKET_E_PROTOCOL", `${socket}: its answer has another shape`, { where: socket });
}
