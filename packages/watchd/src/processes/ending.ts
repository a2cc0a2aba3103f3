import { systemCode } from "@daruma/base";
import type { StopSignal } from "@daruma/config";
import { membersOf, type RunIdentity } from "./membership.ts";
import { couldNotLook, findAlive, type ProcessInfo } from "./process-table.ts";
import type { SharedLook } from "./shared-look.ts";
import type { Ending, TrackedRun } from "./tracked-run.ts";
import type { Waits } from "./waits.ts";

export interface EndingContext {
  readonly owner: string;
  readonly waits: Waits;
  readonly processes: SharedLook;
  /** Looks whether the run's first process is gone, and if so marks it as ended. */
  readonly observe: (run: TrackedRun) => void;
}

/** While a run's own first process lives, its end is an event; the look in between is for a deadline moved forward. */
const childLookMs = 50;
const lookMs = 10;

/**
 * Signal, patience until the deadline, SIGKILL. Resolves once nothing of the run is left, however long the kernel takes
 * to let go of it; true when SIGKILL was needed.
 */
export async function endGracefully(
  run: TrackedRun,
  signal: StopSignal,
  ending: Pick<Ending, "deadline">,
  context: EndingContext,
): Promise<boolean> {
  let signalled = false;
  for (;;) {
    context.observe(run);
    if (!signalled) signalled = look(run, context, (members) => signalAll(run, members, signal)) !== null;
    if (run.ended && look(run, context) === 0) return false;
    const left = ending.deadline - performance.now();
    if (left <= 0) return kill(run, context);
    if (run.ended) await context.waits.pause(Math.min(lookMs, left));
    else await context.waits.within(run.exited, Math.min(run.child === null ? lookMs : childLookMs, left));
  }
}

/** SIGKILL until nothing is left, however fast it forks. True when there was anything to kill. */
export async function kill(run: TrackedRun, context: EndingContext): Promise<boolean> {
  let pauseMs = 1;
  let killed = false;
  for (;;) {
    const members = look(run, context, (found) => signalAll(run, found, "SIGKILL"));
    if (members === 0) break;
    killed ||= members !== null;
    await context.waits.pause(pauseMs);
    pauseMs = Math.min(pauseMs * 2, 100);
  }
  context.observe(run);
  // Our own child is out of /proc before its exit event comes: whoever waits for a stop wants to have seen the exit.
  if (!run.ended) await run.exited;
  return killed;
}

/**
 * How many processes the run has now, once `act` has dealt with them; `null` when we could not look. A process that has
 * been seen counts until it is gone: while it exits it loses its markers first, and only then its sockets.
 */
function look(
  run: TrackedRun,
  { owner, processes }: EndingContext,
  act: (members: readonly ProcessInfo[]) => void = () => undefined,
): number | null {
  try {
    const world = { ...processes.now(), owner, self: process.pid };
    for (const member of membersOf([run], world).get(run.runId) ?? []) run.seen.set(member.pid, member);
    for (const { pid, startTicks } of run.seen.values()) {
      const now = world.table.get(pid);
      if (!now?.alive || now.startTicks !== startTicks) run.seen.delete(pid);
    }
    act([...run.seen.values()]);
    return run.seen.size;
  } catch (error) {
    if (couldNotLook(error)) return null;
    throw error;
  }
}

/**
 * The process group as one, so that nothing forks its way past the signal; every other process of the run by itself. Each
 * is looked at again right before: from here to kill(2) it is microseconds, and a pid does not come back in those.
 */
function signalAll(run: RunIdentity, members: readonly ProcessInfo[], signal: StopSignal | "SIGKILL"): void {
  const there = members.filter((member) => findAlive(member.pid, member.startTicks) !== null);
  // The pid of a run that ended unseen is 0, and kill(2) would take that for our own group.
  const inGroup = (member: ProcessInfo) => run.pid > 0 && member.group === run.pid;
  const outside = there.filter((member) => !inGroup(member)).map((member) => member.pid);
  const targets = there.length === outside.length ? outside : [-run.pid, ...outside];
  for (const target of targets) {
    send(target, signal);
    // A stopped process acts on no other signal before it goes on.
    if (signal !== "SIGKILL") send(target, "SIGCONT");
  }
}

function send(target: number, signal: StopSignal | "SIGKILL" | "SIGCONT"): void {
  try {
    process.kill(target, signal);
  } catch (error) {
    // ESRCH: it went by itself. EPERM: it has changed its user; the caller sees that it is still there.
    if (systemCode(error) !== "ESRCH" && systemCode(error) !== "EPERM") throw error;
  }
}
