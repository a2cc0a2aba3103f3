import type { RoutineServices, RunName } from "../routines/services.ts";
import { createProcessManager } from "./manager.ts";
import { routineRunOf } from "./markers.ts";
import type { ProcessManagerOptions } from "./site.ts";

/**
 * Runs of routines as child processes: each is to the process manager what an agent is, under the name `ROUTINE@RUN`, with a
 * log, a state directory and a checkpoint directory of its own, which its attempts share.
 *
 * @throws WATCHD_E_STATE_DIRECTORY, WATCHD_E_PLATFORM
 */
export function createRoutineProcesses(options: Omit<ProcessManagerOptions, "kind">): RoutineServices {
  const manager = createProcessManager({ ...options, kind: "routines" });
  /** The attempt of each run that was seen last. */
  const attempts = new Map<string, string>();
  const seen = async () => {
    const alive = await manager.list();
    for (const { agent, runId } of alive) attempts.set(agent, runId);
    return alive;
  };
  const attemptOf = async (run: RunName) => {
    const name = unitOf(run);
    if (!attempts.has(name)) await seen();
    return attempts.get(name);
  };
  return {
    list: async () => (await seen()).map(({ agent }) => routineRunOf(agent)).filter((run) => run !== null),
    async start(request) {
      const { attempt, manifest, environment } = request;
      const agent = unitOf(request);
      const runId = `${request.run}.${attempt}`;
      await manager.start({
        agent,
        runId,
        manifest: { ...manifest, environment: { ...manifest.environment, ...environment } },
      });
      attempts.set(agent, runId);
    },
    async stop(run, policy) {
      const runId = await attemptOf(run);
      if (runId !== undefined) await manager.stop(runId, policy);
    },
    onExit: (listener) =>
      manager.onExit(({ agent, runId, cause }) => {
        const run = routineRunOf(agent);
        if (run === null) throw new Error(`${agent} is no run of a routine`);
        if (attempts.get(agent) === runId) attempts.delete(agent);
        const attempt = Number(runId.slice(run.run.length + 1));
        listener({ ...run, attempt: Number.isSafeInteger(attempt) && attempt > 0 ? attempt : null, cause });
      }),
    async memory(runs) {
      const byAttempt = new Map<string, string>();
      for (const run of runs) {
        const attempt = attempts.get(unitOf(run));
        if (attempt !== undefined) byAttempt.set(attempt, run.run);
      }
      const used = await manager.usage([...byAttempt.keys()]);
      return new Map(
        [...used].map(([attempt, usage]) => [byAttempt.get(attempt) ?? "", usage.memoryBytes ?? 0]),
      );
    },
    // The link to the current generation changes in one step, and what ended is told by whoever saw it.
    settled: async () => undefined,
    keep: async () => undefined,
    journalOf: () => null,
    close: () => manager.close(),
  };
}

function unitOf({ routine, run }: RunName): string {
  return `${routine}@${run}`;
}
