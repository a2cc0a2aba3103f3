import type { State } from "../policy/state.ts";
import { currentRun } from "./current-run.ts";

export interface ListenerOptions {
  /** Null before the supervisor has begun. */
  readonly state: () => State | null;
  /** Monotonic, in milliseconds. */
  readonly now: () => number;
  readonly tell: (agent: string, runId: string) => void;
}

/** Of words that come closer together than this, in milliseconds, only the first is told: none of them says more. */
const leastGapMs = 100;

/**
 * Takes whatever an agent asks through its own socket for a sign that it gets on: one that is busy with records is not to be
 * taken for one that hangs. A request that is refused is one as well.
 */
export function createListener({ state, now, tell }: ListenerOptions): (agent: string) => void {
  const last = new Map<string, { readonly runId: string; readonly at: number }>();
  return (agent) => {
    const current = state();
    if (current === null) return;
    const policy = Object.hasOwn(current.agents, agent) ? current.agents[agent]?.policy : undefined;
    const run = currentRun(current, agent);
    if (policy?.heartbeat?.through !== "http" || run === null) return;
    const before = last.get(agent);
    const at = now();
    if (before?.runId === run.runId && at - before.at < leastGapMs) return;
    last.set(agent, { runId: run.runId, at });
    tell(agent, run.runId);
  };
}
