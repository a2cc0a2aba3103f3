import { isDarumaError, messageOf } from "@daruma/base";
import type { RoutineManifest, StopPolicy } from "@daruma/config";
import type { RoutineCommand, RoutineEvent } from "./events.ts";
import { takeInput } from "./homes.ts";
import { runOf } from "./run-of.ts";
import type { RunSockets } from "./run-sockets.ts";
import type { RoutineServices, RunName } from "./services.ts";
import type { RoutinesState, RunState } from "./state.ts";

export interface RoutineExecutorOptions {
  readonly services: RoutineServices;
  readonly sockets: Pick<RunSockets, "open">;
  readonly stateDir: string;
  /** What the current generation declares. */
  readonly routines: () => Readonly<Record<string, RoutineManifest>>;
  readonly state: () => RoutinesState;
  readonly dispatch: (event: RoutineEvent) => void;
  /** Looks at what is alive: where a stop finds nothing to stop, no exit tells of the end. */
  readonly survey: () => Promise<void>;
}

export interface RoutineExecutor {
  execute(command: RoutineCommand): void;
  /** From now on nothing is started; what is asked for is asked for again by the next watchd. Resolves when nothing runs. */
  drain(atOnce: boolean): Promise<void>;
  readonly draining: boolean;
}

/** Carries out what the core asks for. However a start or a stop ends, exactly one event says so. */
export function createRoutineExecutor(options: RoutineExecutorOptions): RoutineExecutor {
  const { services, dispatch } = options;
  let draining = false;
  const starting = new Set<Promise<void>>();

  async function start({ routine, run, attempt }: Extract<RoutineCommand, { type: "start" }>): Promise<void> {
    const fail = (code: string, message: string) =>
      dispatch({ type: "start-failed", routine, run, code, message });
    const manifest = options.routines()[routine];
    const known = runOf(options.state(), { routine, run });
    if (manifest === undefined || known === undefined) {
      return fail("WATCHD_E_OUTDATED", "the generation has changed since this start was decided");
    }
    try {
      const { request } = known.firing;
      const input = request === null ? null : await takeInput(options.stateDir, routine, run, request);
      if (draining) return;
      const socket = await options.sockets.open({ routine, run });
      const environment = { ...environmentOf(routine, known, input), DARUMA_SOCKET: socket };
      await services.start({ routine, run, attempt, manifest, environment });
      dispatch({ type: "started", routine, run });
    } catch (error) {
      fail(isDarumaError(error) ? error.code : "WATCHD_E_START", messageOf(error));
    }
  }

  async function stop(name: RunName): Promise<void> {
    try {
      await services.stop(name, stopPolicyOf(options.state(), name.routine));
      if (runOf(options.state(), name)?.phase === "stopping") await options.survey();
    } catch (error) {
      dispatch({ type: "stop-failed", ...name, message: messageOf(error) });
    }
  }

  return {
    get draining() {
      return draining;
    },
    execute(command) {
      if (command.type === "stop") {
        void stop({ routine: command.routine, run: command.run });
        return;
      }
      if (draining) return;
      const work = start(command).finally(() => starting.delete(work));
      starting.add(work);
    },
    async drain(atOnce) {
      draining = true;
      await Promise.all(starting);
      const alive = await services.list();
      await Promise.all(
        alive.map((name) => {
          const policy = stopPolicyOf(options.state(), name.routine);
          return services.stop(name, atOnce ? { ...policy, graceMs: 0 } : policy);
        }),
      );
    },
  };
}

function environmentOf(routine: string, run: RunState, input: string | null): Record<string, string> {
  const { firing, attempt } = run;
  return {
    DARUMA_ROUTINE: routine,
    DARUMA_RUN: firing.id,
    DARUMA_ATTEMPT: String(attempt),
    DARUMA_TRIGGER: firing.trigger,
    ...(firing.cause === null ? {} : { DARUMA_CAUSE: firing.cause }),
    DARUMA_NOMINAL_TIME: new Date(firing.nominal).toISOString(),
    ...(input === null ? {} : { DARUMA_INPUT: input }),
  };
}

/** A run that nobody knows is asked to stop as any other would be. */
function stopPolicyOf({ routines }: RoutinesState, routine: string): StopPolicy {
  const known = Object.hasOwn(routines, routine) ? routines[routine] : undefined;
  return known?.policy.stop ?? { signal: "SIGTERM", graceMs: 10_000 };
}
