import { own } from "@daruma/base";
import type { State } from "../policy/state.ts";

export interface CurrentRun {
  readonly runId: string;
  /** Number of the generation in which it began; null where that was an earlier one than the current. */
  readonly generation: number | null;
}

/**
 * The run that whoever speaks through the agent's socket belongs to: nothing is said of a run that is not known to be alive.
 * Null before watchd has looked at what runs, and while the agent is down.
 */
export function currentRun(state: State, name: string): CurrentRun | null {
  const agent = own(state.agents, name);
  if (agent === undefined || !state.surveyed) return null;
  // It may speak before its start has been reported.
  const { run, startingRun } = agent;
  const since = run?.started.mono ?? startingRun?.askedAt;
  const runId = run?.runId ?? startingRun?.runId;
  if (since === undefined || runId === undefined) return null;
  const { generation } = state;
  const ofThisOne = generation !== null && since >= generation.activated.mono;
  return { runId, generation: ofThisOne ? generation.number : null };
}

/** What `GET /v1/self` answers. */
export function selfOf(state: State, name: string): object {
  return {
    schemaVersion: 1,
    name,
    generation: state.generation?.number ?? null,
    run: currentRun(state, name)?.runId ?? null,
    state: state.agents[name]?.phase ?? null,
  };
}
