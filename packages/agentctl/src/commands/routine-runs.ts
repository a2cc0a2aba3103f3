import { userInfo } from "node:os";
import type { Context } from "../cli/command.ts";
import { mayComeBack } from "../instance/patience.ts";
import type { RoutineDetails, WatchdClient } from "../instance/watchd-client.ts";

/* What the commands have in common that begin and end runs of routines. */

/** Whoever is at the keyboard, as far as the system knows: for people to ask, no proof of anything. */
export function person({ environment }: Context): string {
  const behind = environment.SUDO_USER ?? "";
  if (behind !== "") return behind;
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? "?"}`;
  }
}

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
