import type { Request } from "@daruma/base";
import { type EntryFilter, faultOfFilter, filterNames } from "./filter.ts";
import { badQuery, integerOf, knowOnly } from "./query.ts";

/** What `GET /v1/entries` is asked for. */
export interface EntryQuery {
  /** Entries with a greater seq. */
  readonly after: number;
  /** Entries with a lesser seq; infinite for all. */
  readonly before: number;
  /** How many at most; infinite for all. */
  readonly limit: number;
  /** Begin with the newest so many of them. `null`: with the first. */
  readonly newest: number | null;
  /** Go on with new entries until the client leaves. */
  readonly follow: boolean;
  readonly filter: EntryFilter;
}

/** @throws LEDGER_E_BAD_REQUEST */
export function parseEntryQuery(request: Request): EntryQuery {
  knowOnly(request, ["after", "before", "limit", "newest", "follow", ...filterNames]);
  const follow = request.query.get("follow") ?? "0";
  if (follow !== "0" && follow !== "1") throw badQuery("follow must be 0 or 1");
  const before = integerOf(request, "before", 1, Number.POSITIVE_INFINITY);
  if (follow === "1" && before !== Number.POSITIVE_INFINITY) throw badQuery("follow has no before");
  const newest = integerOf(request, "newest", 0, Number.POSITIVE_INFINITY);
  return {
    after: integerOf(request, "after", 0, 0),
    before,
    limit: integerOf(request, "limit", 1, Number.POSITIVE_INFINITY),
    newest: newest === Number.POSITIVE_INFINITY ? null : newest,
    follow: follow === "1",
    filter: parseFilter(request),
  };
}

function parseFilter(request: Request): EntryFilter {
  const given: [string, string][] = [];
  for (const name of filterNames) {
    const value = request.query.get(name);
    if (value === null) continue;
    const fault = faultOfFilter(name, value);
    if (fault !== null) throw badQuery(fault);
    given.push([name, value]);
  }
  return Object.fromEntries(given);
}
