import type { AgentManifest } from "@daruma/config";
import { longestIdleMs } from "../mischief/processes.ts";
import type { World } from "../world.ts";
import { type Invariant, recordsOf } from "./invariant.ts";

/** How long a fault can stay unnoticed: a lost exit until the survey, a hang until enough probes have failed, or until its silence has lasted. */
function blindMs({ health, heartbeat, progress, startupMs }: AgentManifest): number {
  const probing = health === null ? 0 : health.failures * (health.everyMs + health.withinMs);
  // Where the deadline was slept through, it is given once more.
  const listening = heartbeat === null ? 0 : 2 * Math.max(heartbeat.silenceMs, startupMs) + 3_000;
  const idle = longestIdleMs;
  const looking = progress === undefined ? 0 : 2 * Math.max(progress.withinMs, startupMs) + 3_000 + idle;
  return Math.max(7_000, probing + 2_000, listening + 2_000, looking + 2_000);
}

/** The longest time within [from, to] in which the agent was not healthy in truth. */
function worstLapse(world: World, agent: string, from: number, to: number): number {
  const times = world.machine.badTimes.get(agent) ?? [{ from: Number.NEGATIVE_INFINITY, to: null }];
  return times.reduce(
    (worst, bad) => Math.max(worst, Math.min(bad.to ?? to, to) - Math.max(bad.from, from)),
    0,
  );
}

/** Every required agent was up and healthy, in truth, all through the probation time. */
export const promotionIsEarned: Invariant = (seen, _memory, world) => {
  for (const command of seen.taken.commands) {
    if (command.type !== "promote") continue;
    const { manifest } = world.profile.at(command.path);
    const { time } = world.machine;
    if (time < manifest.watchdog.probationMs) return "promoted before its probation can be over";
    for (const [name, agent] of Object.entries(manifest.agents)) {
      if (!agent.required || seen.taken.state.agents[name]?.phase === "completed") continue;
      const lapse = worstLapse(world, name, time - manifest.watchdog.probationMs, time);
      if (lapse > blindMs(agent)) return `${name} was not healthy for ${lapse} ms of the probation time`;
    }
  }
  return null;
};

/** A deploy that breaks the ledger must not be what is gone back to. */
export const nothingIsProvenWithoutTheLedger: Invariant = (seen, memory) =>
  memory.ledgerAway && seen.taken.commands.some(({ type }) => type === "promote")
    ? "promoted while the ledger takes nothing"
    : null;

/** What ends without a complaint before it has ever been of use is not done. */
export const completionIsEarned: Invariant = (seen, _memory, world) => {
  for (const { subject } of recordsOf(seen, "agent.complete")) {
    if (world.machine.failures.get(subject)?.at(-1)?.kind === "own")
      return `${subject} is taken to be done, and has done nothing`;
  }
  return null;
};
