import { own } from "@daruma/base";
import { raiseAlert } from "./alerting.ts";
import { withinWindow } from "./backoff.ts";
import { beginStop } from "./start-stop.ts";
import type { State } from "./state.ts";
import { agentOf, patchAgent, record, type Turn } from "./turn.ts";

/**
 * A run has to have lasted this long, in milliseconds, before it may ask for its own restart: an agent that asks whenever it
 * starts must not become a storm.
 */
export const leastOwnUptimeMs = 10_000;

export type OwnRestartRefusal = "not-running" | "too-soon" | "too-often";

/** Why the run may not be restarted at its own wish now; null if it may. `now` is a monotonic instant. */
export function refuseOwnRestart(
  state: State,
  name: string,
  runId: string,
  now: number,
): OwnRestartRefusal | null {
  const agent = own(state.agents, name);
  const runs = agent?.phase === "verifying" || agent?.phase === "healthy";
  if (agent?.run?.runId !== runId || !runs || !state.surveyed || state.draining) return "not-running";
  if (now - agent.run.started.mono < leastOwnUptimeMs) return "too-soon";
  const { restart } = agent.policy;
  return withinWindow(agent.ownRestarts, restart, now).length < restart.attempts ? null : "too-often";
}

/**
 * That it wants to begin anew is no failure. It cannot do it itself: whatever it starts is stopped along with it. But what wants to
 * again and again gets no work done and would never be seen to fail: so it may as often as it may fail before that is not enough.
 */
export function onRestartAsked(turn: Turn, name: string, runId: string): void {
  const { mono } = turn.now;
  const refused = refuseOwnRestart(turn.state, name, runId, mono);
  if (refused === "too-often") tellTooOften(turn, name);
  const agent = agentOf(turn, name);
  if (refused !== null || agent === undefined) return;
  patchAgent(turn, name, {
    ownRestarts: [...withinWindow(agent.ownRestarts, agent.policy.restart, mono), mono],
  });
  record(turn, {
    action: "agent.restart-asked",
    subject: name,
    incident: agent.incident?.id,
    run: runId,
    details: {},
  });
  beginStop(turn, name, "replace", "it has asked for its own restart");
}

/** It goes on running; somebody has to look. Once for each run. */
function tellTooOften(turn: Turn, name: string): void {
  const agent = agentOf(turn, name);
  if (agent === undefined || agent.toldTooOften) return;
  patchAgent(turn, name, { toldTooOften: true });
  const { attempts, withinMs } = agent.policy.restart;
  const why = `${attempts} within ${withinMs} ms have been granted; it goes on running`;
  raiseAlert(turn, name, "restarts", "asks for its own restart again and again", [why]);
}

/** A run that drifted from its declaration is replaced, however young it is: how often that is done, drift's own policy bounds. */
export function onReplaceAsked(turn: Turn, name: string, runId: string, why: string): void {
  if (refuseOwnRestart(turn.state, name, runId, turn.now.mono) === "not-running") return;
  beginStop(turn, name, "replace", why);
}
