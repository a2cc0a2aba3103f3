import { isDarumaError, messageOf } from "@daruma/base";
import type { Clock } from "../ports.ts";
import { createDependencyProbes } from "./dependency-probes.ts";
import type { Engine } from "./engine.ts";
import type { World } from "./executor.ts";
import { createSampling, samplingTickMs } from "./sampling.ts";

const surveyEveryMs = 5_000;
/** How often it is asked which dependencies are due. */
const askTickMs = 250;

export interface BackgroundOptions {
  readonly world: World;
  readonly engine: Engine;
  readonly clock: Clock;
  readonly refresh: () => Promise<void>;
  readonly survey: () => Promise<void>;
  readonly log: (message: string) => void;
  /**
   * What was seen has been judged; or there was no answer to what is alive, which no other watchd would get either, and everything
   * else is being judged.
   */
  readonly onReconciled?: () => void;
}

/** Whatever edges miss, these find. */
export function startBackground(options: BackgroundOptions): { stop(): void } {
  const { world, engine, refresh, survey, log } = options;
  const onSwitch = oneAtATime(log, "reading the current generation", refresh);
  const reconcile = oneAtATime(log, "the survey", async () => {
    const { turn } = engine.state;
    const silence = await survey().then(() => null, noAnswer);
    // What has been seen must have been judged as well: a core that does not get on is no working watchdog.
    engine.dispatch({ type: silence === null ? "tick" : "runs-unseen" });
    await engine.until((state) => state.turn > turn);
    options.onReconciled?.();
    if (silence !== null) throw silence;
  });
  const sampling = createSampling(world.services, engine, () => options.clock.now().mono);
  const sample = oneAtATime(log, "measuring", sampling.measure);
  const dependencies = createDependencyProbes({ engine, monoNow: () => options.clock.now().mono });
  const ask = oneAtATime(log, "asking for dependencies", dependencies.ask);
  world.generations.onSwitch(() => {
    onSwitch();
    reconcile();
  });
  world.services.onFound(reconcile);
  const timers = [
    setInterval(reconcile, surveyEveryMs),
    setInterval(sample, samplingTickMs),
    setInterval(ask, askTickMs),
  ];
  return { stop: () => timers.forEach(clearInterval) };
}

/** @throws anything else */
function noAnswer(error: unknown): Error {
  if (isDarumaError(error) && error.code === "WATCHD_E_NO_ANSWER") return error;
  throw error;
}

/** Asked for while it is being done, it is done once more: what was asked about may have changed since it began. */
function oneAtATime(log: (message: string) => void, what: string, task: () => Promise<void>): () => void {
  let running = false;
  let again = false;
  const run = async () => {
    running = true;
    do {
      again = false;
      await task().catch((error) => log(`${what} failed: ${messageOf(error)}`));
    } while (again);
    running = false;
  };
  return () => {
    again = true;
    if (!running) void run();
  };
}
