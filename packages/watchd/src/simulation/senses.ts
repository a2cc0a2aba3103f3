import { own } from "@daruma/base";
import { longestGapMs } from "../policy/dependencies.ts";
import type { DependenciesEvent, Event } from "../policy/events.ts";
import type { State } from "../policy/state.ts";
import { usageOf } from "./process.ts";
import type { World } from "./world.ts";

/* What watchd finds out when it looks. */

/** Of what the agents declare to need, asked now. */
export function dependenciesFound({ machine, profile }: World): DependenciesEvent["found"] {
  return Object.entries(profile.current?.manifest.agents ?? {}).flatMap(([agent, { dependencies }]) => {
    if (dependencies === undefined) return [];
    const problem = machine.outageOf(agent)?.shows === "need" ? "connection refused" : null;
    return [{ agent, dependency: "db", problem }];
  });
}

/** What cannot be held against an agent, since nobody knows whether what it needs was there, up to the moment of the news. */
export function excuseUnknown({ machine }: World, state: State, { at, found }: DependenciesEvent): void {
  for (const { agent, problem } of found) {
    const last = own(state.agents, agent)?.reached.db ?? 0;
    if (at > last && (problem !== null || (last > 0 && at - last > longestGapMs)))
      machine.excuseSince(agent, machine.time - (machine.now.mono - last));
  }
}

/** Of the runs of agents that watchd knows. */
export function usageMeasured({ machine }: World, state: State): Extract<Event, { type: "usage" }>["runs"] {
  return machine.processes
    .filter(({ run }) => Object.hasOwn(state.agents, run.agent))
    .map((process) => {
      const { agent, runId } = process.run;
      return { agent, runId, usage: usageOf(process, machine.time) };
    });
}
