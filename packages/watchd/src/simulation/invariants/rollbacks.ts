import { own } from "@daruma/base";
import { decisionsOf, type Invariant, recordsOf } from "./invariant.ts";

/** How far an exit's event may lag behind it, and how far the survey that makes good for a lost one; in ms. */
const eventLagMs = 100;
const surveyLagMs = 10_000;

export const oneRollbackPerIncident: Invariant = (seen, memory) => {
  for (const { incident } of decisionsOf(seen, memory)) {
    if (incident === undefined) return "a rollback without an incident";
    for (const earlier of memory.decisions.values())
      if (earlier.incident === incident) return `incident ${incident} had its rollback with ${earlier.id}`;
  }
  return null;
};

export const rollbackBudgetIsKept: Invariant = (seen, memory, world) => {
  for (const { details } of decisionsOf(seen, memory)) {
    const from = String(details.from);
    const budget = world.profile.at(from).manifest.watchdog.rollbackBudget;
    const spent = memory.spent.get(from) ?? 0;
    if (spent >= budget) return `${spent} of ${budget} rollbacks have left ${from} already`;
  }
  return null;
};

/** The targets that are believed to be good: known-good, not current, not left before, not found broken. */
export const rollbackTargetIsGood: Invariant = (seen, memory) => {
  for (const { subject: target } of decisionsOf(seen, memory)) {
    if (target === seen.taken.state.generation?.path) return `${target} is the current generation`;
    if (!memory.knownGood.has(target)) return `${target} is not known-good`;
    if (memory.quarantined.has(target)) return `${target} is quarantined`;
    if (memory.struck.has(target)) return `the closure of ${target} is known to be damaged`;
  }
  return null;
};

export const rollbackChangesSomething: Invariant = (seen, memory, world) => {
  for (const { subject: target, details } of decisionsOf(seen, memory)) {
    const before = world.profile.at(String(details.from)).manifest;
    const after = world.profile.at(target).manifest;
    const agent = String(details.agent);
    if (memory.digestOf(agent) !== own(after.agents, agent)?.digest) continue;
    if (before.hostDigest === after.hostDigest) return `${agent} and the host are the same in ${target}`;
  }
  return null;
};

/** Counted by the world: the agent itself has failed often enough since the switch, and nothing outside is to blame. */
export const rollbackHasACause: Invariant = (seen, memory, world) => {
  for (const { details } of decisionsOf(seen, memory)) {
    const agent = String(details.agent);
    const manifest = world.profile.at(String(details.from)).manifest.agents[agent];
    if (manifest === undefined) return `${agent} is not in the generation that fails`;
    const { attempts, withinMs, when } = manifest.restart;
    const { time } = world.machine;
    const worn = memory.standIns.get(agent);
    const since = Math.max(memory.switchTime, worn?.since ?? memory.switchTime) - eventLagMs;
    const blamed = (world.machine.failures.get(agent) ?? []).filter(
      ({ kind, digest }) => kind !== "outside" && digest === (worn?.digest ?? manifest.digest),
    );
    const failures = blamed.map((failure) => failure.time);
    const own = [...failures, ...(memory.foundDead.get(agent) ?? [])].filter((at) => at >= since);
    const recent = own.filter((at) => at > time - withinMs - surveyLagMs);
    const count = memory.proven.has(agent) ? recent.length : own.length;
    // To try again what says that its configuration is wrong would prove nothing more.
    const hopeless = blamed.at(-1)?.kind === "configuration" && !memory.proven.has(agent) && count > 0;
    if (count < attempts && !hopeless)
      return `${agent} has failed ${count} times by its own fault, not ${attempts} times`;
    if (when === "never") return `${agent} is never to be restarted`;
    if (!manifest.escalate.includes("rollback")) return `${agent} does not escalate to rollback`;
  }
  return null;
};

/** Or what it changed was the agent, which nobody had given up until then. */
export const failureBeganAfterTheSwitch: Invariant = (seen, memory) => {
  const [now] = recordsOf(seen, "generation.switch");
  const switched = now === undefined ? memory.switchStep : memory.steps;
  const changed = now === undefined ? memory.changed : (now.details.changed as string[]);
  for (const { incident = "", details } of decisionsOf(seen, memory)) {
    const agent = String(details.agent);
    if ((memory.incidents.get(incident) ?? memory.steps) >= switched) continue;
    if (!changed.includes(agent)) return `the incident of ${agent} is older than the generation`;
    const held = memory.holds.get(agent);
    if (held?.incident === incident && held.step < switched) return `${agent} was held before the generation`;
  }
  return null;
};
