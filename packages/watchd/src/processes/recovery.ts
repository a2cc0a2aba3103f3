import { uptime } from "node:os";
import { messageOf } from "@daruma/base";
import { watchdErrors } from "../catalogue.ts";
import { type Found, findRuns } from "./adoption.ts";
import { readMarkers } from "./markers.ts";
import type { RunIdentity } from "./membership.ts";
import { type ProcessTable, readProcessTable, ticksPerSecond } from "./process-table.ts";
import { type RunRecord, readRecords } from "./run-record.ts";
import type { Site } from "./site.ts";

/**
 * Looks for runs on this machine that we do not know. The first look also goes by the records of an earlier watchd, and
 * searches everything for leftovers; later ones only catch a process that was not yet executed at the first.
 *
 * @param watched pids that nobody else can have: they are not looked at, nor in the table
 * @throws WATCHD_E_STATE_DIRECTORY
 */
export function searchMachine(
  site: Site,
  knownRuns: Iterable<RunIdentity>,
  first: boolean,
  watched: ReadonlySet<number> = new Set(),
): { readonly table: ProcessTable; readonly found: Found } {
  const records = first ? recordsOf(site) : [];
  const table = readProcessTable(watched);
  const known = [...knownRuns];
  const found = findRuns({
    table,
    records,
    owner: site.owner,
    bootId: site.bootId,
    known: new Set(known.map(({ runId }) => runId)),
    leaders: new Map(known.map(({ pid, startTicks }) => [pid, startTicks])),
    leadersOnly: !first,
    markersOf: readMarkers,
    self: process.pid,
    wallOf: (startTicks) => Math.round(Date.now() - (uptime() - startTicks / ticksPerSecond) * 1000),
  });
  return { table, found };
}

function recordsOf(site: Site): readonly RunRecord[] {
  try {
    return readRecords(site.recordDir);
  } catch (cause) {
    throw watchdErrors.make(
      "WATCHD_E_STATE_DIRECTORY",
      `cannot read the records of runs: ${messageOf(cause)}`,
      {
        where: site.recordDir,
        cause,
      },
    );
  }
}
