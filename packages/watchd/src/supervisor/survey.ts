import type { Event } from "../policy/events.ts";
import type { Clock, Run } from "../ports.ts";
import type { World } from "./executor.ts";

export interface Survey {
  /** What was alive when last looked at, and what has been started since. */
  readonly runs: ReadonlyMap<string, Run>;
  add(run: Run): void;
  /** Looks once, after the looks that were asked for before: an older list must never be told after a newer one. */
  take(): Promise<void>;
}

export interface SurveyOptions {
  readonly world: Pick<World, "services" | "generations">;
  readonly clock: Clock;
  readonly refresh: () => Promise<void>;
  readonly dispatch: (event: Event) => void;
}

/**
 * Looks at what is alive. In mid-switch nothing is told: systemd may have the agents of either generation then, and the
 * core would take the new ones for strangers. Whoever ends the switch gives a hint, and the clock brings the next look.
 */
export function createSurvey({ world, clock, refresh, dispatch }: SurveyOptions): Survey {
  const { services, generations } = world;
  let runs = new Map<string, Run>();
  /** Told since the look that is under way began: its list may be older. */
  let since: Run[] = [];
  let looking: Promise<void> = Promise.resolve();

  const look = async () => {
    await refresh();
    const before = await generations.current();
    if (await generations.switching()) return;
    since = [];
    const takenAt = clock.now().mono;
    const [alive, stopped] = [await services.list(), await services.stopped()];
    // A switch that has begun, or even come and gone, since we asked what is current makes the list one of both.
    if ((await generations.switching()) || (await generations.current())?.path !== before?.path) return;
    runs = new Map([...alive, ...since].map((run) => [run.runId, run]));
    dispatch({ type: "runs", runs: alive, stopped: [...stopped].sort(), takenAt });
  };

  return {
    add: (run) => {
      since.push(run);
      runs.set(run.runId, run);
    },
    get runs() {
      return runs;
    },
    take: () => {
      looking = looking.catch(() => undefined).then(look);
      return looking;
    },
  };
}
