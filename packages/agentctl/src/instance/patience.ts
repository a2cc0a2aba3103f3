import { setTimeout as sleep } from "node:timers/promises";
import { isDarumaError } from "@daruma/base";
import type { StatusDocument, WatchdClient } from "./watchd-client.ts";

const passing: ReadonlySet<string> = new Set([
  "LEDGER_E_DISCONNECTED",
  "LEDGER_E_STOPPING",
  "SOCKET_E_UNREACHABLE",
  "SOCKET_E_TIMEOUT",
]);

/** Whether the daemon behind a socket may answer again by itself: it is being restarted, or the disk is slow. */
export function mayComeBack(error: unknown): boolean {
  return isDarumaError(error) && passing.has(error.code);
}

/** Like a timer, but it rejects with the signal's own reason. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

/** Null while watchd does not answer and may come back: a rollback may restart it. */
export async function statusIfAny(watchd: Pick<WatchdClient, "status">): Promise<StatusDocument | null> {
  try {
    return await watchd.status();
  } catch (error) {
    if (!mayComeBack(error)) throw error;
    return null;
  }
}
