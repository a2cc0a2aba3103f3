import type { ServerResponse } from "node:http";
import type { Committer } from "./committer.ts";
import type { Store } from "./store.ts";

export interface EntryQuery {
  /** Entries with a greater seq. */
  readonly after: number;
  /** How many at most; infinite for all. */
  readonly limit: number;
  /** Go on with new entries until the client leaves. */
  readonly follow: boolean;
}

export interface EntrySource {
  readonly store: Store;
  readonly committer: Committer;
}

const newline = Buffer.from("\n");

/**
 * Answers with the stored bytes of entries, a line each, no faster than the client reads. Only a complete answer ends
 * cleanly: on an error the connection is cut, so that nobody takes a part for the whole.
 *
 * @throws LEDGER_E_UNUSABLE, LEDGER_E_DAMAGED if not even the first entries can be read.
 */
export async function streamEntries(
  source: EntrySource,
  query: EntryQuery,
  response: ServerResponse,
  onError: (error: unknown) => void,
): Promise<void> {
  const { store } = source;
  const present = Math.max(0, store.state.head.seq - query.after);
  let left = query.follow ? query.limit : Math.min(query.limit, present);
  let after = query.after;
  let entries = await store.read(after, left);
  response.writeHead(200, { "content-type": "application/x-ndjson" });
  response.flushHeaders();
  try {
    while (left > 0 && !response.destroyed) {
      after += entries.length;
      left -= entries.length;
      if (entries.length > 0) await write(response, entries);
      else await news(source, after, response);
      entries = await store.read(after, left);
    }
    response.end();
  } catch (error) {
    // Whoever is gone, or is being sent away because ledgerd stops, misses nothing.
    if (response.destroyed) return;
    response.destroy();
    onError(error);
  }
}

async function write(response: ServerResponse, entries: readonly Buffer[]): Promise<void> {
  const bytes = Buffer.concat(entries.flatMap((entry) => [entry, newline]));
  if (response.write(bytes) || response.destroyed) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      response.off("drain", done).off("close", done);
      resolve();
    };
    response.on("drain", done).on("close", done);
  });
}

/** Resolves once there is an entry after `after`, or the client has left. */
async function news(source: EntrySource, after: number, response: ServerResponse): Promise<void> {
  if (response.destroyed || source.store.state.head.seq > after) return;
  await new Promise<void>((resolve) => {
    const forget = source.committer.onCommit(() => {
      response.off("close", left);
      resolve();
    });
    const left = () => {
      forget();
      resolve();
    };
    response.once("close", left);
  });
}
