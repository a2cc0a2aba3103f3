import { messageOf } from "@daruma/base";
import type { ServiceManager } from "../ports.ts";
import type { Engine } from "./engine.ts";
import type { World } from "./executor.ts";

const surveyEveryMs = 5_000;
const memoryEveryMs = 1_000;

export interface BackgroundOptions {
  readonly world: World;
  readonly engine: Engine;
  readonly refresh: () => Promise<void>;
  readonly survey: () => Promise<void>;
  readonly log: (message: string) => void;
  readonly onReconciled?: () => void;
}

/** Whatever edges miss, these find. */
export function startBackground(options: BackgroundOptions): { stop(): void } {
  const { world, engine, refresh, survey, log } = options;
  const onSwitch = oneAtATime(log, "reading the current generation", refresh);
  const reconcile = oneAtATime(log, "the survey", async () => {
    const { turn } = engine.state;
    await survey();
    // What has been seen must have been judged as well: a core that does not get on is no working watchdog.
    engine.dispatch({ type: "tick" });
    await engine.until((state) => state.turn > turn);
    options.onReconciled?.();
  });
  const sample = oneAtATime(log, "sampling memory", () => sampleMemory(world.services, engine));
  world.generations.onSwitch(() => {
    onSwitch();
    reconcile();
  });
  world.services.onFound(reconcile);
  const timers = [setInterval(reconcile, surveyEveryMs), setInterval(sample, memoryEveryMs)];
  return { stop: () => timers.forEach(clearInterval) };
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

async function sampleMemory(services: ServiceManager, engine: Engine): Promise<void> {
  const limited = Object.entries(engine.state.agents).flatMap(([agent, { run, policy }]) =>
    run === null || policy.limits.memoryBytes === null ? [] : [{ agent, runId: run.runId }],
  );
  if (limited.length === 0) return;
  const used = await services.memory(limited.map((entry) => entry.runId));
  for (const { agent, runId } of limited) {
    const bytes = used.get(runId);
    if (bytes !== undefined) engine.dispatch({ type: "memory", agent, runId, bytes });
  }
}
