import { own } from "@daruma/base";
import type { Instant } from "../ports.ts";
import type { State } from "./state.ts";
import { patch, type Turn } from "./turn.ts";

/** An upstream of an agent that egressd, which connects for it, does not reach for several agents. */
export interface UpstreamDown {
  readonly target: string;
  /** Monotonic instant until which it still explains a failure, once it is heard to be up again; null before. */
  readonly until: number | null;
}

/** How long after an outage its failures may still be heard of: an exit at once, a health check after a few misses. */
export const upstreamGraceMs = 15_000;

/** @param down agent -> the target that it and others have tried in vain; all of them */
export function onUpstreams(turn: Turn, down: Readonly<Record<string, string>>): void {
  const { mono } = turn.now;
  const over = Object.entries(turn.state.upstreamsDown).flatMap(([agent, known]) => {
    const until = known.until ?? mono + upstreamGraceMs;
    return Object.hasOwn(down, agent) || until <= mono ? [] : [[agent, { ...known, until }] as const];
  });
  const present = Object.entries(down).map(([agent, target]) => [agent, { target, until: null }] as const);
  patch(turn, { upstreamsDown: Object.fromEntries([...over, ...present]) });
}

/** The target to which a failure of the agent is put down now; null where there is none. */
export function downUpstreamOf({ upstreamsDown }: State, agent: string, { mono }: Instant): string | null {
  const known = own(upstreamsDown, agent);
  return known === undefined || (known.until !== null && known.until <= mono) ? null : known.target;
}
