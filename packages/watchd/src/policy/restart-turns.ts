import type { AgentState } from "./state.ts";
import { draw, type Turn } from "./turn.ts";

/** An agent whose turn it is not looks again after this many milliseconds at least, and twice as many at most. */
const lookAgainMs = 500;

/**
 * Milliseconds that a restart has to wait because as many agents are starting up again as may do so at once: what fell together
 * must not rise together. Who has not failed is never kept waiting.
 */
export function turnFor(turn: Turn, agent: AgentState): number {
  const most = turn.state.generation?.watchdog.restartsAtOnce;
  if (agent.incident === null || most === undefined) return 0;
  const busy = Object.values(turn.state.agents).filter((other) => startsUp(other, turn.now.mono)).length;
  return busy < most ? 0 : Math.ceil(lookAgainMs * (1 + draw(turn)));
}

/** No longer than its start-up time may take, so that one which never comes up holds nobody else up for good. */
function startsUp({ phase, incident, run, policy }: AgentState, now: number): boolean {
  if (incident === null) return false;
  if (phase === "starting") return true;
  return phase === "verifying" && run !== null && now - run.started.mono < policy.startupMs;
}
