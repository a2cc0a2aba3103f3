import { own } from "@daruma/base";
import { beginStop } from "./start-stop.ts";
import type { State } from "./state.ts";
import { agentOf, record, type Turn } from "./turn.ts";

/**
 * A run has to have lasted this long, in milliseconds, before it may ask for its own restart: an agent that asks whenever it
 * starts must not become a storm.
 */
export const leastOwnUptimeMs = 10_000;

/** Why the run may not be restarted at its own wish now; null if it may. `now` is a monotonic instant. */
export function refuseOwnRestart(
  state: State,
  name: string,
  runId: string,
  now: number,
): "not-running" | "too-soon" | null {
  const agent = own(state.agents, name);
  const runs = agent?.phase === "verifying" || agent?.phase === "healthy";
  if (agent?.run?.runId !== runId || !runs || !state.surveyed || state.draining) return "not-running";
  return now - agent.run.started.mono < leastOwnUptimeMs ? "too-soon" : null;
}

/** That it wants to begin anew is no failure. It cannot do it itself: whatever it starts is stopped along with it. */
export function onRestartAsked(turn: Turn, name: string, runId: string): void {
  if (refuseOwnRestart(turn.state, name, runId, turn.now.mono) !== null) return;
  record(turn, {
    action: "agent.restart-asked",
    subject: name,
    incident: agentOf(turn, name)?.incident?.id,
    run: runId,
    details: {},
  });
  beginStop(turn, name, "replace", "it has asked for its own restart");
}

/** A run that drifted from its declaration is replaced, however young it is: how often that is done, drift's own policy bounds. */
export function onReplaceAsked(turn: Turn, name: string, runId: string, why: string): void {
  if (refuseOwnRestart(turn.state, name, runId, turn.now.mono) === "not-running") return;
  beginStop(turn, name, "replace", why);
}
