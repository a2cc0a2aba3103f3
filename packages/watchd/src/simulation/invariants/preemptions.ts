import { type Invariant, recordsOf } from "./invariant.ts";

/** Restarts that are no failures are as few as those that are, and come when the agent is idle or at the deadline. */
export const preemptionsAreRareAndTimely: Invariant = (seen, memory, world) => {
  for (const { subject, details } of recordsOf(seen, "agent.preempt")) {
    // How much is too much is for what it runs with to say, how often it may be restarted for its generation.
    const restart = memory.current?.manifest.agents[subject]?.restart;
    const resources = memory.manifestOf(subject, world)?.resources;
    if (resources === undefined || restart === undefined) return `${subject} may use what it likes`;
    const { time } = world.machine;
    const idle = (memory.idleUntil.get(subject) ?? Number.NEGATIVE_INFINITY) >= time;
    // It may be told of in the very step in which it has consequences.
    const isNew = ["agent.overuse", "agent.leak"].some((action) =>
      recordsOf(seen, action).some((record) => record.subject === subject),
    );
    const since = isNew ? time : (memory.overused.get(subject) ?? time);
    const early = time - since < resources.restartWithinMs;
    if (details.moment === "idle" ? !idle : early) return `${subject} is restarted at its ${details.moment}`;
    if (details.counts === true) continue;
    if (restart.when === "never") return `${subject} is never to be restarted`;
    const from = Math.max(time - restart.withinMs, memory.fresh.get(subject) ?? 0);
    const before = (memory.preempted.get(subject) ?? []).filter((at) => at > from).length;
    if (before >= restart.attempts) return `${subject} is restarted for the ${before + 1}th time`;
  }
  return null;
};

/** No more agents are stopped at once for using too much than the host's policy allows. */
export const preemptionsAreNeverAStorm: Invariant = (seen, memory) => {
  const most = memory.current?.manifest.watchdog.restartsAtOnce;
  const begun = recordsOf(seen, "agent.preempt").map(({ run = "" }) => run);
  const busy = new Set([...memory.preempting, ...begun]);
  if (most === undefined || begun.length === 0 || busy.size <= most) return null;
  return `${busy.size} agents are being stopped at once, and ${most} may be`;
};

/** An agent is restarted at its own wish as often as it may fail, and no more. */
export const ownRestartsAreFew: Invariant = (seen, memory, world) => {
  for (const { subject } of recordsOf(seen, "agent.restart-asked")) {
    const restart = memory.current?.manifest.agents[subject]?.restart;
    if (restart === undefined) return `${subject} is not in this generation`;
    const from = Math.max(world.machine.time - restart.withinMs, memory.fresh.get(subject) ?? 0);
    const before = (memory.ownRestarts.get(subject) ?? []).filter((at) => at > from).length;
    if (before >= restart.attempts) return `${subject} restarts itself for the ${before + 1}th time`;
  }
  return null;
};
