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
  const asked = new Map<string, number>();
  return {
    async ask() {
      const at = monoNow();
      const wanted: { readonly agent: string; readonly dependency: string; readonly url: string }[] = [];
      const { agents } = engine.state;
      for (const agent of asked.keys()) if (dependenciesOf(agents[agent]) === undefined) asked.delete(agent);
      for (const agent in agents) {
        const state = agents[agent];
        const dependencies = dependenciesOf(state);
        if (state === undefined || dependencies === undefined) continue;
        const last = asked.get(agent);
        if (last !== undefined && at - last < intervalMs(state)) continue;
        asked.set(agent, at);
        for (const [dependency, url] of Object.entries(dependencies)) wanted.push({ agent, dependency, url });
      }
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

function dependenciesOf(agent: AgentState | undefined): Readonly<Record<string, string>> | undefined {
  return agent?.declared ? agent.policy.dependencies : undefined;
}

function intervalMs(agent: AgentState): number {
  return awaitsWord(agent) ? hurriedMs : everyMs;
}
