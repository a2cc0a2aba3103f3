import { awaitsWord } from "../policy/needs.ts";
import type { AgentState } from "../policy/state.ts";
import { reach } from "../reach.ts";
import type { Engine } from "./engine.ts";

const everyMs = 10_000;
/** Where a failure waits for whether what the agent needs is there. */
const hurriedMs = 500;
const withinMs = 2_000;

export interface DependencyProbes {
  /** Asks what is due, once, and tells the core all that was found together. */
  ask(): Promise<void>;
}

/** Asks for what agents declare to need, all the time: whether it was there when an agent failed cannot be asked afterwards. */
export function createDependencyProbes(options: {
  readonly engine: Pick<Engine, "state" | "dispatch">;
  readonly monoNow: () => number;
  readonly reach?: typeof reach;
}): DependencyProbes {
  const { engine, monoNow } = options;
  const look = options.reach ?? reach;
  /** Agent -> monotonic instant at which it was asked for last. */
  let asked: ReadonlyMap<string, number> = new Map();
  return {
    async ask() {
      const at = monoNow();
      const next = new Map<string, number>();
      const wanted: { readonly agent: string; readonly dependency: string; readonly url: string }[] = [];
      for (const [agent, state] of Object.entries(engine.state.agents)) {
        const dependencies = Object.entries(state.policy.dependencies ?? {});
        if (!state.declared || dependencies.length === 0) continue;
        const last = asked.get(agent);
        const isDue = last === undefined || at - last >= intervalMs(state);
        next.set(agent, isDue ? at : last);
        if (isDue) wanted.push(...dependencies.map(([dependency, url]) => ({ agent, dependency, url })));
      }
      asked = next;
      if (wanted.length === 0) return;
      // What several agents need is asked once.
      const answers = new Map<string, Promise<string | null>>();
      for (const { url } of wanted) if (!answers.has(url)) answers.set(url, look(url, withinMs));
      const found = wanted.map(async ({ agent, dependency, url }) => ({
        agent,
        dependency,
        problem: (await answers.get(url)) ?? null,
      }));
      engine.dispatch({ type: "dependencies", at, found: await Promise.all(found) });
    },
  };
}

function intervalMs(agent: AgentState): number {
  return awaitsWord(agent) ? hurriedMs : everyMs;
}
