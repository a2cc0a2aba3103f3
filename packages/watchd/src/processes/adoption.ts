import type { Run } from "../ports.ts";
import type { World } from "./membership.ts";
import type { ProcessInfo } from "./process-table.ts";
import type { RunRecord } from "./run-record.ts";

export interface FoundRun {
  readonly run: Run;
  readonly startTicks: number;
}

export interface Leftover {
  readonly agent: string;
  readonly runId: string;
  readonly digest: string;
}

export interface Found {
  readonly alive: readonly FoundRun[];
  readonly leftovers: readonly Leftover[];
}

export interface Search extends World {
  /** What an earlier watchd wrote down. */
  readonly records: readonly RunRecord[];
  readonly bootId: string;
  /** Runs that are known already: not found again, whatever carries their markers. */
  readonly known: ReadonlySet<string>;
  /** Pid -> start time of their first processes, at which nobody has to look any closer. */
  readonly leaders: ReadonlyMap<number, number>;
  /** Look at session leaders only: finds every run, and no leftovers. */
  readonly leadersOnly: boolean;
  /** Unix time in milliseconds of a start time. */
  readonly wallOf: (startTicks: number) => number;
}

/**
 * Which runs of this state directory are alive though we did not start them, and which ended and left processes behind.
 * A record says which process leads; where watchd died between the start and the record, the markers of the session
 * leaders do.
 */
export function findRuns(search: Search): Found {
  const alive = new Map<string, FoundRun>();
  const over = new Set<string>();
  for (const record of search.records) {
    if (record.owner !== search.owner || record.bootId !== search.bootId || search.known.has(record.runId))
      continue;
    const leader = search.table.get(record.pid);
    if (leader?.alive && leader.startTicks === record.startTicks) alive.set(record.runId, fromRecord(record));
    else over.add(record.runId);
  }
  const leftovers = new Map<string, Leftover>();
  for (const info of eldestFirst(search)) {
    const markers = search.markersOf(info.pid);
    if (markers?.owner !== search.owner || search.known.has(markers.runId) || alive.has(markers.runId))
      continue;
    const { agent, runId, digest } = markers;
    if (info.session === info.pid && !over.has(runId)) {
      const run = { agent, runId, digest, pid: info.pid, startedAt: search.wallOf(info.startTicks) };
      alive.set(runId, { run, startTicks: info.startTicks });
    } else {
      leftovers.set(runId, { agent, runId, digest });
    }
  }
  return {
    alive: [...alive.values()],
    leftovers: [...leftovers.values()].filter((one) => !alive.has(one.runId)),
  };
}

/** A run's children may lead sessions of their own; the eldest session leader is the run's first process. */
function eldestFirst(search: Search): readonly ProcessInfo[] {
  return [...search.table.values()]
    .filter((info) => info.alive && !info.kernelThread && info.pid !== search.self)
    .filter((info) => !search.leadersOnly || info.session === info.pid)
    .filter((info) => search.leaders.get(info.pid) !== info.startTicks)
    .sort((a, b) => a.startTicks - b.startTicks || a.pid - b.pid);
}

function fromRecord(record: RunRecord): FoundRun {
  const { agent, runId, digest, pid, startedAt, startTicks } = record;
  return { run: { agent, runId, digest, pid, startedAt }, startTicks };
}
