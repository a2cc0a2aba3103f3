import type { AgentState, State } from "../policy/state.ts";
import { samplingMs } from "../policy/usage.ts";
import type { ServiceManager } from "../ports.ts";
import type { Engine } from "./engine.ts";

/** How often it is asked whose turn it is to be measured. */
export const samplingTickMs = 250;
/** Of agents to which a limit is to be held, that the kernel may not enforce; and of all others, for whoever asks what they use. */
const limitedEveryMs = 1_000;
const othersEveryMs = 15_000;

/** Measures each run as often as what is declared of its agent needs. */
export function createSampling(
  services: Pick<ServiceManager, "usage">,
  engine: Pick<Engine, "state" | "dispatch">,
  monoNow: () => number,
): { measure(): Promise<void> } {
  /** Run -> monotonic instant at which it was measured last. */
  const measured = new Map<string, number>();
  return {
    async measure() {
      const now = monoNow();
      const due = new Map<string, string>();
      let running = 0;
      // Four times a second over a thousand agents, of which mostly none is due: nothing is made here that somebody has to collect.
      for (const name in engine.state.agents) {
        const agent = engine.state.agents[name];
        if (agent === undefined || agent.run === null) continue;
        running += 1;
        const { runId } = agent.run;
        const last = measured.get(runId);
        if (last !== undefined && !isDueAt(now, last, everyMs(agent))) continue;
        due.set(runId, name);
        measured.set(runId, now);
      }
      if (measured.size > running) keepRunning(measured, engine.state.agents);
      if (due.size === 0) return;
      const usage = await services.usage([...due.keys()]);
      const at = monoNow();
      const runs = [...due].flatMap(([runId, agent]) => {
        const used = usage.get(runId);
        return used === undefined ? [] : [{ agent, runId, usage: used }];
      });
      if (runs.length > 0) engine.dispatch({ type: "usage", at, runs });
    },
  };
}

function keepRunning(measured: Map<string, number>, agents: State["agents"]): void {
  const running = new Set(Object.values(agents).map(({ run }) => run?.runId));
  for (const runId of measured.keys()) if (!running.has(runId)) measured.delete(runId);
}

/**
 * What is measured equally often is measured at the same moments, whenever it began: the look at all processes that each
 * moment costs is the same for one run and for a thousand.
 */
function isDueAt(now: number, last: number, every: number): boolean {
  const elapsed = now - last;
  // Ticks may come a little early.
  if (elapsed >= every - samplingTickMs / 4) return true;
  return elapsed >= every / 2 && Math.floor(now / every) !== Math.floor(last / every);
}

function everyMs({ policy: { limits, resources } }: AgentState): number {
  const limited = limits.memoryBytes === null ? othersEveryMs : limitedEveryMs;
  return resources === undefined ? limited : Math.min(limited, samplingMs(resources));
}
