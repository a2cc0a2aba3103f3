import { own } from "@daruma/base";
import type { RoutineManifest } from "@daruma/config";
import type { LedgerRecord } from "../policy/events.ts";
import type { RoutineServices, RunName } from "./services.ts";
import type { RoutinesState } from "./state.ts";

export interface MemoryWatchOptions {
  readonly services: Pick<RoutineServices, "memory" | "stop">;
  readonly routines: () => Readonly<Record<string, RoutineManifest>>;
  readonly state: () => RoutinesState;
  readonly note: (record: LedgerRecord) => void;
  readonly now: () => number;
}

/**
 * Looks once at the memory of the runs that have a limit, and ends those beyond it: such an attempt has failed, as one that
 * the kernel ends for the same reason has.
 */
export async function watchMemory(options: MemoryWatchOptions): Promise<void> {
  const { services, routines, state, note, now } = options;
  const limited = state()
    .routines.active()
    .flatMap(([routine, { runs }]) => {
      const limitBytes = own(routines(), routine)?.limits.memoryBytes ?? null;
      if (limitBytes === null) return [];
      return runs
        .filter(({ phase }) => phase === "running")
        .map(({ firing }) => ({ routine, run: firing.id, limitBytes }));
    });
  if (limited.length === 0) return;
  const used = await services.memory(limited);
  const beyond = limited.filter(({ run, limitBytes }) => (used.get(run) ?? 0) > limitBytes);
  for (const { routine, run, limitBytes } of beyond) {
    note({
      action: "routine.over-memory",
      subject: routine,
      run,
      at: now(),
      severity: "warning",
      details: { bytes: used.get(run) ?? 0, limitBytes },
    });
  }
  await Promise.all(beyond.map(({ routine, run }: RunName) => services.stop({ routine, run }, atOnce)));
}

const atOnce = { signal: "SIGTERM", graceMs: 0 } as const;
