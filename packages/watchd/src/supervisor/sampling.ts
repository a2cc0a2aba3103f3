import type { AgentState } from "../policy/state.ts";
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
  let measured: ReadonlyMap<string, number> = new Map();
  return {
    async measure() {
      const now = monoNow();
      const next = new Map<string, number>();
      const due = new Map<string, string>();
      for (const [name, agent] of Object.entries(engine.state.agents)) {
        if (agent.run === null) continue;
        const { runId } = agent.run;
        const last = measured.get(runId);
        const isDue = last === undefined || isDueAt(now, last, everyMs(agent));
        if (isDue) due.set(runId, name);
        next.set(runId, isDue ? now : last);
      }
      measured = next;
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
