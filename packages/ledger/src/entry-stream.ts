import type { ServerResponse } from "node:http";
import { ledgerErrors } from "./catalogue.ts";
import type { Committer } from "./committer.ts";
import type { Entry } from "./entry.ts";
import type { EntryQuery } from "./entry-query.ts";
import { type EntryFilter, isFiltered, matches } from "./filter.ts";
import { findEntries } from "./find.ts";
import type { Store } from "./store.ts";

export interface EntrySource {
  readonly store: Store;
  readonly committer: Committer;
}

const newline = Buffer.from("\n");

/** Entries that are looked up and read at once. */
const foundAtOnce = 256;

/**
 * Answers with the stored bytes of entries, a line each, no faster than the client reads. Only a complete answer ends
 * cleanly: on an error the connection is cut, so that nobody takes a part for the whole.
 *
 * @throws LEDGER_E_UNUSABLE, LEDGER_E_DAMAGED, LEDGER_E_INDEXING, LEDGER_E_INDEX, LEDGER_E_PRUNED if not even the first entries can be read.
 */
export async function streamEntries(
  source: EntrySource,
  query: EntryQuery,
  response: ServerResponse,
  onError: (error: unknown) => void,
): Promise<void> {
  const blocks = blocksOf(source, query, response);
  const first = await blocks.next();
  response.writeHead(200, { "content-type": "application/x-ndjson" });
  response.flushHeaders();
  try {
    if (first.done !== true) await write(response, first.value);
    for await (const entries of blocks) {
      await write(response, entries);
      if (response.destroyed) break;
    }
    response.end();
  } catch (error) {
    // Whoever is gone, or is being sent away because ledgerd stops, misses nothing.
    if (response.destroyed) return;
    response.destroy();
    onError(error);
  }
}

/** What the query asks for, in order; the first block, which may be empty, before anything is waited for. */
async function* blocksOf(
  source: EntrySource,
  query: EntryQuery,
  response: ServerResponse,
): AsyncGenerator<readonly Buffer[], void, undefined> {
  const { store } = source;
  const { filter, limit, newest } = query;
  const present = Math.min(store.state.head.seq, query.before - 1);
  const { seq: pruned } = store.pruned;
  if (query.after > 0) refuseGone(store, query.after);
  // Whoever asks for all gets all that there is: the first number tells what is gone.
  let after = Math.max(query.after, pruned);
  let left = limit;
  if (isFiltered(filter)) {
    for await (const seqs of foundIn(store, query, present)) {
      refuseGone(store, (seqs[0] ?? 1) - 1);
      const lines = await store.readSome(seqs);
      left -= lines.length;
      yield lines.map((line) => checked(line, filter));
    }
    after = Math.max(after, present);
  } else if (newest !== null) after = Math.max(after, present - newest);
  if (!query.follow) left = Math.min(left, Math.max(0, present - after));
  while (left > 0 && !response.destroyed) {
    refuseGone(store, after);
    const entries = await store.read(after, left);
    if (entries.length === 0) {
      yield [];
      await news(source, after, response);
    }
    after += entries.length;
    const matching = isFiltered(filter) ? entries.filter((line) => matches(parse(line), filter)) : entries;
    const wanted = matching.slice(0, left);
    left -= wanted.length;
    if (wanted.length > 0) yield wanted;
  }
}

/**
 * The numbers of the entries up to `last` that match, in order, a few at a time. The index is asked anew for each page, so that a
 * slow client neither holds all of them in memory nor keeps LevelDB from dropping what is outdated.
 */
async function* foundIn(
  store: Store,
  { filter, after, limit, newest }: EntryQuery,
  last: number,
): AsyncGenerator<readonly number[], void, undefined> {
  let left = limit;
  let from = after;
  if (newest !== null) {
    const range = { after, last, limit: newest, begin: "newest" } as const;
    const found = (await store.ask((db) => findEntries(db, filter, range))).toReversed().slice(0, limit);
    for (let at = 0; at < found.length; at += foundAtOnce) yield found.slice(at, at + foundAtOnce);
    return;
  }
  while (left > 0 && from < last) {
    const range = { after: from, last, limit: Math.min(left, foundAtOnce), begin: "oldest" } as const;
    const found = await store.ask((db) => findEntries(db, filter, range));
    if (found.length > 0) yield found;
    if (found.length < range.limit) return;
    left -= found.length;
    from = found.at(-1) ?? last;
  }
}

/** The index is not evidence: what it names is looked at. */
function checked(line: Buffer, filter: EntryFilter): Buffer {
  const entry = parse(line);
  if (matches(entry, filter)) return line;
  throw ledgerErrors.make("LEDGER_E_INDEX", `the index names entry ${entry.seq}, which does not match`);
}

/** Of stored bytes, which were an entry when they were written; whether they still are is for the reader to check. */
function parse(line: Buffer): Entry {
  try {
    return JSON.parse(line.toString("utf8")) as Entry;
  } catch {
    throw ledgerErrors.make("LEDGER_E_DAMAGED", "a stored entry is not JSON");
  }
}

/** Before anything is sent, and again whenever it may have been pruned meanwhile. */
function refuseGone({ pruned }: Store, after: number): void {
  if (after >= pruned.seq) return;
  const message = `what comes after entry ${after} was pruned, up to entry ${pruned.seq}`;
  throw ledgerErrors.make("LEDGER_E_PRUNED", message);
}

async function write(response: ServerResponse, entries: readonly Buffer[]): Promise<void> {
  if (entries.length === 0) return;
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
