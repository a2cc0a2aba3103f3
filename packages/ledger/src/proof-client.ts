import { baseErrors, callUnix } from "@daruma/base";
import type { ConnectOptions } from "./client.ts";
import { isPlainObject } from "./entry.ts";
import type { LabelName } from "./filter.ts";
import type { LabelValue } from "./find-values.ts";
import type { IndexDocument, ReindexDocument, ValuesDocument } from "./index-routes.ts";
import type { CheckpointDocument, KeyDocument, ProofDocument, WitnessesDocument } from "./proof-routes.ts";

/*
 * What ledgerd tells about its tree and its index. Each throws SOCKET_E_PATH_TOO_LONG, SOCKET_E_UNREACHABLE, SOCKET_E_TIMEOUT,
 * SOCKET_E_PROTOCOL and what ledgerd refuses with.
 */

/** To read, or to forget, the index of a hundred million entries. */
const wholeIndexMs = 3_600_000;

/** To look at a million values. */
const valuesMs = 120_000;

/** The public key of the ledger. */
export async function ledgerKey(options: ConnectOptions): Promise<KeyDocument> {
  return (await call(options, "GET", "/v1/key", ["origin", "key"])) as KeyDocument;
}

/** A signed checkpoint over all entries that are durable now. LEDGER_E_BAD_REQUEST while there is no entry. */
export async function signLedger(options: ConnectOptions): Promise<CheckpointDocument> {
  return (await call(options, "POST", "/v1/checkpoint", ["size", "checkpoint"])) as CheckpointDocument;
}

/** The stored checkpoint over the first `size` entries; by default the newest. */
export async function ledgerCheckpoint(options: ConnectOptions, size?: number): Promise<CheckpointDocument> {
  const route = size === undefined ? "/v1/checkpoint" : `/v1/checkpoint?size=${size}`;
  return (await call(options, "GET", route, ["size", "checkpoint"])) as CheckpointDocument;
}

/** Compares the index with all entries, which takes a while. */
export async function compareLedgerIndex(options: ConnectOptions): Promise<IndexDocument> {
  const patient = { ...options, timeoutMs: options.timeoutMs ?? wholeIndexMs };
  return (await call(patient, "GET", "/v1/index", ["entries", "differences"])) as IndexDocument;
}

/** Begins to make the index anew. How far it is, the status says. */
export async function renewLedgerIndex(options: ConnectOptions): Promise<ReindexDocument> {
  const patient = { ...options, timeoutMs: options.timeoutMs ?? wholeIndexMs };
  return (await call(patient, "POST", "/v1/index", ["entries"])) as ReindexDocument;
}

/** The newest values of a label, newest first, with their first and last entries. */
export async function ledgerValues(
  options: ConnectOptions,
  label: LabelName,
  limit?: number,
): Promise<readonly LabelValue[]> {
  const query = new URLSearchParams({ label, ...(limit === undefined ? {} : { limit: String(limit) }) });
  // It looks at each value that there is.
  const patient = { ...options, timeoutMs: options.timeoutMs ?? valuesMs };
  const document = (await call(patient, "GET", `/v1/values?${query}`, ["values"])) as ValuesDocument;
  return document.values;
}

/** How the witnesses stand. */
export async function ledgerWitnesses(options: ConnectOptions): Promise<WitnessesDocument> {
  return (await call(options, "GET", "/v1/witnesses", ["witnesses"])) as WitnessesDocument;
}

/** What stands for the first `size` entries in an export that leaves them out: the roots of their perfect subtrees. */
export async function prefixProof(options: ConnectOptions, size: number): Promise<ProofDocument> {
  return (await call(options, "GET", `/v1/proof/prefix?size=${size}`, ["size", "proof"])) as ProofDocument;
}

/** That entry `seq` is one of the first `size`. */
export async function inclusionProof(
  options: ConnectOptions,
  seq: number,
  size: number,
): Promise<ProofDocument> {
  const route = `/v1/proof/inclusion?seq=${seq}&size=${size}`;
  return (await call(options, "GET", route, ["size", "proof"])) as ProofDocument;
}

/** That the ledger of `to` entries begins with the one of `from`. */
export async function consistencyProof(
  options: ConnectOptions,
  from: number,
  to: number,
): Promise<ProofDocument> {
  const route = `/v1/proof/consistency?from=${from}&to=${to}`;
  return (await call(options, "GET", route, ["size", "proof"])) as ProofDocument;
}

async function call(
  options: ConnectOptions,
  method: "GET" | "POST",
  route: string,
  fields: readonly string[],
): Promise<unknown> {
  const { socket, timeoutMs = 10_000 } = options;
  const document = await callUnix({ path: socket, method, route, timeoutMs });
  const isRight = isPlainObject(document) && document.schemaVersion === 1;
  if (isRight && fields.every((name) => document[name] !== undefined)) return document;
  throw baseErrors.make("SOCKET_E_PROTOCOL", `${socket}: its answer to ${route} has another shape`, {
    where: socket,
  });
}
