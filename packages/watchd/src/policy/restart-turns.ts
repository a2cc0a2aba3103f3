import type { AgentState } from "./state.ts";
import { draw, type Turn } from "./turn.ts";

/** An agent whose turn it is not looks again after this many milliseconds at least, and twice as many at most. */
const lookAgainMs = 500;

/** Waits since before everybody else, and so never. */
export const firstOfAll = 0;

/**
 * Milliseconds that a restart has to wait because as many agents are starting up again as may do so at once: what fell together
 * must not rise together. Who has waited longest comes first, so that one which falls again at once keeps nobody waiting for good.
 * Who has not failed is never kept waiting, nor whom a person has started.
 */
export function turnFor(turn: Turn, name: string, agent: AgentState): number {
  const most = turn.state.generation?.watchdog.restartsAtOnce;
  if (agent.incident === null || agent.turnSince === firstOfAll || most === undefined) return 0;
  const { mono } = turn.now;
  const others = Object.entries(turn.state.agents).filter(([other]) => other !== name);
  const busy = others.filter(([, other]) => startsUp(other, mono)).length;
  const ahead = others.filter(([, other]) => waitsLonger(other, agent.turnSince ?? mono)).length;
  return busy + ahead < most ? 0 : Math.ceil(lookAgainMs * (1 + draw(turn)));
}

/**
 * The same for a restart that can wait, of an agent that runs: it lets everybody pass who is on the way down or up, for whatever
 * reason, and who has failed and waits for a turn.
 */
export function turnToPreempt(turn: Turn, name: string): number {
  const most = turn.state.generation?.watchdog.restartsAtOnce;
  if (most === undefined) return 0;
  const { mono } = turn.now;
  const inTheWay = Object.entries(turn.state.agents).filter(
    ([other, agent]) =>
      other !== name &&
      (goesDown(agent) || comesUp(agent, mono) || waitsLonger(agent, Number.POSITIVE_INFINITY)),
  );
  return inTheWay.length < most ? 0 : Math.ceil(lookAgainMs * (1 + draw(turn)));
}

/** One that cannot be stopped holds nobody else up for good. */
function goesDown({ phase, failedStops }: AgentState): boolean {
  return phase === "stopping" && failedStops === 0;
}

/** No longer than its start-up time may take, so that one which never comes up holds nobody else up for good. */
function comesUp({ phase, run, policy }: AgentState, now: number): boolean {
  if (phase === "starting") return true;
  return phase === "verifying" && run !== null && now - run.started.mono < policy.startupMs;
}

/** Again, after a failure. */
function startsUp(agent: AgentState, now: number): boolean {
  return agent.incident !== null && comesUp(agent, now);
}

function waitsLonger({ phase, restartAt, turnSince }: AgentState, since: number): boolean {
  return phase === "backoff" && restartAt !== null && turnSince !== null && turnSince < since;
}
