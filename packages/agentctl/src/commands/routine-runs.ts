import { mayComeBack } from "../instance/patience.ts";
import type { RoutineDetails, WatchdClient } from "../instance/watchd-client.ts";

/* What the commands have in common that begin and end runs of routines. */

/** Null while watchd is away for a moment. */
export async function routineIfAny(watchd: WatchdClient, name: string): Promise<RoutineDetails | null> {
  try {
    return (await watchd.routine(name)).routine;
  } catch (error) {
    if (!mayComeBack(error)) throw error;
    return null;
  }
}

export function isActive({ runs, waiting }: RoutineDetails, run: string): boolean {
  return [...runs, ...waiting].some((each) => each.run === run);
}
