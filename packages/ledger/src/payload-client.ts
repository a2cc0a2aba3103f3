import { callUnix, isDarumaError } from "@daruma/base";
import type { ConnectOptions } from "./client.ts";
import type { ErasedDocument, PayloadDocument } from "./payload-routes.ts";

/*
 * What entries commit to. Through the operator's socket only. Each throws SOCKET_E_PATH_TOO_LONG, SOCKET_E_UNREACHABLE,
 * SOCKET_E_TIMEOUT, SOCKET_E_PROTOCOL and what ledgerd refuses with.
 */

/** To write the files of a large ledger anew. */
const eraseMs = 3_600_000;

/** Null where there is none, or none any more. */
export async function ledgerPayload(options: ConnectOptions, seq: number): Promise<PayloadDocument | null> {
  try {
    const route = `/v1/payload?seq=${seq}`;
    return (await callUnix({ path: options.socket, method: "GET", route })) as PayloadDocument;
  } catch (error) {
    if (isDarumaError(error) && error.code === "LEDGER_E_NO_PAYLOAD") return null;
    throw error;
  }
}

/** At most `erasedAtOnce`. Resolves once nothing is left of them on the disk. */
export async function eraseLedgerPayloads(
  options: ConnectOptions,
  order: { readonly seqs: readonly number[]; readonly reason: string },
): Promise<ErasedDocument> {
  const timeoutMs = options.timeoutMs ?? eraseMs;
  const call = { path: options.socket, method: "POST", route: "/v1/erase", body: order, timeoutMs } as const;
  return (await callUnix(call)) as ErasedDocument;
}
