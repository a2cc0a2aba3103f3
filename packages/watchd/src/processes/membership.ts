import type { Markers } from "./markers.ts";
import type { ProcessInfo, ProcessTable } from "./process-table.ts";

/** What it takes to tell which processes are a run's. */
export interface RunIdentity {
  readonly runId: string;
  /** Of its first process, which is also its session and its process group. */
  readonly pid: number;
  readonly startTicks: number;
  /**
   * Whether the session id alone proves membership: true while we have watched the run without a gap. Once a session is
   * empty its number may come back as a stranger's, so for a run that ended unseen only the markers count.
   */
  readonly sessionTrusted: boolean;
}

export interface World {
  readonly table: ProcessTable;
  readonly owner: string;
  readonly markersOf: (pid: number) => Markers | null;
  /** Never a member of anything: a watchd that an agent has started must not kill itself with it. */
  readonly self: number;
}

/**
 * The live processes of each run: its session, and whatever carries its markers though it has moved to a session of its
 * own (a browser that an agent drives, a daemon that it left behind).
 */
export function membersOf(
  runs: readonly RunIdentity[],
  world: World,
): ReadonlyMap<string, readonly ProcessInfo[]> {
  const members = new Map<string, ProcessInfo[]>(runs.map((run) => [run.runId, []]));
  const sessions = new Map(runs.filter((run) => ownsSession(run, world.table)).map((run) => [run.pid, run]));
  const byId = new Map(runs.map((run) => [run.runId, run]));
  const earliest = Math.min(...runs.map((run) => run.startTicks));
  for (const info of world.table.values()) {
    // Everything of a run is younger than its first process: most of a machine need not be looked at any closer.
    if (!info.alive || info.kernelThread || info.startTicks < earliest || info.pid === world.self) continue;
    const run = sessions.get(info.session) ?? runOf(world.markersOf(info.pid), world.owner, byId);
    if (run !== undefined && info.startTicks >= run.startTicks) members.get(run.runId)?.push(info);
  }
  return members;
}

function ownsSession(run: RunIdentity, table: ProcessTable): boolean {
  if (!run.sessionTrusted) return false;
  const leader = table.get(run.pid);
  return leader === undefined || leader.startTicks === run.startTicks;
}

function runOf(
  markers: Markers | null,
  owner: string,
  runs: ReadonlyMap<string, RunIdentity>,
): RunIdentity | undefined {
  return markers?.owner === owner ? runs.get(markers.runId) : undefined;
}
