import type { IncomingMessage } from "node:http";
import { type DarumaError, messageOf, openUnix } from "@daruma/base";
import { ledgerErrors } from "./catalogue.ts";
import { type Entry, maxEntryBytes, readEntry } from "./entry.ts";
import type { EntryFilter } from "./filter.ts";
import { LineSplitter } from "./lines.ts";

export interface ReadOptions {
  readonly socket: string;
  /** Only entries with a greater seq. Default 0: all. */
  readonly after?: number;
  /** Only entries with a lesser seq. Default: all. */
  readonly before?: number;
  /** How many at most. Default: all. */
  readonly limit?: number;
  /** Begin with the newest so many. Default: with the first. */
  readonly newest?: number;
  /** Only those that match. */
  readonly filter?: EntryFilter;
  /** Go on with new entries until `signal` says stop. */
  readonly follow?: boolean;
  readonly signal?: AbortSignal;
}

export interface StoredEntry {
  readonly entry: Entry;
  /** The exact stored text, without a newline: a line of an export. */
  readonly line: string;
}

/**
 * Entries in order, as ledgerd stores them. The end of the iteration is the end of the ledger; an end for any other
 * reason is an error, so that a part is never taken for the whole.
 *
 * @throws what callUnix throws; LEDGER_E_DISCONNECTED, LEDGER_E_BAD_REQUEST, LEDGER_E_DAMAGED,
 *   LEDGER_E_INDEXING, LEDGER_E_INDEX; the reason of `signal`.
 */
export async function* readEntries(options: ReadOptions): AsyncGenerator<StoredEntry, void, undefined> {
  options.signal?.throwIfAborted();
  const response = await openUnix({ path: options.socket, method: "GET", route: routeOf(options) });
  const abort = () => response.destroy();
  options.signal?.addEventListener("abort", abort, { once: true });
  try {
    options.signal?.throwIfAborted();
    yield* entriesOf(response, options.socket);
  } catch (error) {
    options.signal?.throwIfAborted();
    throw error;
  } finally {
    options.signal?.removeEventListener("abort", abort);
    response.destroy();
  }
}

async function* entriesOf(
  response: IncomingMessage,
  path: string,
): AsyncGenerator<StoredEntry, void, undefined> {
  let ready: StoredEntry[] = [];
  let bad: DarumaError | null = null;
  const lines = new LineSplitter(maxEntryBytes, {
    onLine: (bytes) => {
      const line = bytes.toString("utf8");
      const reading = readEntry(line);
      if (reading.fault !== null) bad ??= damaged(path, reading.fault.message);
      else if (bad === null) ready.push({ entry: reading.entry, line });
    },
    onTooLong: () => {
      bad ??= damaged(path, "it is too long");
    },
  });
  for await (const chunk of chunksOf(response, path)) {
    lines.push(chunk);
    yield* ready;
    if (bad !== null) throw bad;
    ready = [];
  }
  if (lines.unfinishedBytes > 0) throw disconnected(path, "in the middle of a line");
}

async function* chunksOf(response: IncomingMessage, path: string): AsyncGenerator<Buffer, void, undefined> {
  try {
    for await (const chunk of response) yield chunk as Buffer;
  } catch (cause) {
    throw disconnected(path, messageOf(cause), cause);
  }
}

function routeOf({ after = 0, before, limit, newest, filter = {}, follow = false }: ReadOptions): string {
  const query = new URLSearchParams({ after: String(after), ...filter });
  if (before !== undefined) query.set("before", String(before));
  if (newest !== undefined) query.set("newest", String(newest));
  if (limit !== undefined) query.set("limit", String(limit));
  if (follow) query.set("follow", "1");
  return `/v1/entries?${query}`;
}

function disconnected(path: string, why: string, cause?: unknown): DarumaError {
  const message = `the connection to ledgerd at ${path} ended before the last entry: ${why}`;
  return ledgerErrors.make("LEDGER_E_DISCONNECTED", message, { where: path, cause });
}

function damaged(path: string, why: string): DarumaError {
  return ledgerErrors.make("LEDGER_E_DAMAGED", `an entry that ${path} sent is bad: ${why}`, { where: path });
}
