import { setTimeout as delay } from "node:timers/promises";
import { isDarumaError, messageOf, own, systemCode } from "@daruma/base";
import type { RoutineManifest, StopPolicy } from "@daruma/config";
import type { Isolation } from "../agent-api/place.ts";
import { watchdErrors } from "../catalogue.ts";
import type { RoutineCommand, RoutineEvent } from "./events.ts";
import { openHome, takeInput } from "./homes.ts";
import { runOf } from "./run-of.ts";
import type { RunSockets } from "./run-sockets.ts";
import type { RoutineServices, RunName } from "./services.ts";
import type { RoutinesState, RunState } from "./state.ts";

export interface RoutineExecutorOptions {
  readonly services: RoutineServices;
  readonly sockets: Pick<RunSockets, "open">;
  readonly stateDir: string;
  readonly isolation: Isolation;
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

const outdated = "WATCHD_E_OUTDATED";
/** After a switch, the new generation is known within a reconcile or two; what others have too much of, they may give back. */
const tryAgainMs = 500;
const mostTries = 40;

const shortages: ReadonlySet<string> = new Set(["EMFILE", "ENFILE", "EAGAIN", "ENOMEM"]);

/**
 * Carries out what the core asks for. All that is asked for at once is begun at once: what ends together is judged together, and
 * each judgement looks at every routine of the host. However a start or a stop ends, exactly one event says so.
 */
export function createRoutineExecutor(options: RoutineExecutorOptions): RoutineExecutor {
  const { services, dispatch } = options;
  let draining = false;
  const starting = new Set<Promise<void>>();

  async function start(command: Extract<RoutineCommand, { type: "start" }>): Promise<void> {
    const { routine, run } = command;
    for (let tries = 1; ; tries += 1) {
      try {
        if (await startNow(command)) dispatch({ type: "started", routine, run });
        return;
      } catch (error) {
        const code = isDarumaError(error) ? error.code : "WATCHD_E_START";
        // A switch has ended, and it is not known here yet what the new generation declares.
        const isEarly = code === outdated && own(options.routines(), routine) !== undefined;
        if ((isEarly || isShortage(error)) && tries < mostTries) {
          await delay(tryAgainMs);
          if (draining) return;
          continue;
        }
        dispatch({ type: "start-failed", routine, run, code, message: messageOf(error) });
        return;
      }
    }
  }

  /** @returns false if nothing was started, and nothing is to be told of it */
  async function startNow({
    routine,
    run,
    attempt,
  }: RunName & { readonly attempt: number }): Promise<boolean> {
    if (draining) return false;
    await services.settled();
    const manifest = own(options.routines(), routine);
    const known = runOf(options.state(), { routine, run });
    if (manifest === undefined || known === undefined)
      throw watchdErrors.make(outdated, "the generation has changed since this start was decided");
    const { stateDir, isolation } = options;
    const { request } = known.firing;
    await openHome({ stateDir, routine, run, isolation });
    const input = request === null ? null : await takeInput({ stateDir, routine, run, isolation }, request);
    if (draining) return false;
    const socket = await options.sockets.open({ routine, run });
    const environment = { ...environmentOf(routine, known, input), DARUMA_SOCKET: socket };
    await services.start({ routine, run, attempt, manifest, environment });
    return true;
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

/**
 * Whether the machine lacks descriptors, processes or memory at the moment: no fault of the routine's, and none of its attempts
 * is spent on it.
 */
function isShortage(error: unknown): boolean {
  if (shortages.has(systemCode(error) ?? "")) return true;
  return error instanceof Error && error.cause !== undefined && isShortage(error.cause);
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
  const known = routines.get(routine);
  return known?.policy.stop ?? { signal: "SIGTERM", graceMs: 10_000 };
}
