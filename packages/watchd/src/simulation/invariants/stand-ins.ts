import { own } from "@daruma/base";
import type { LedgerRecord } from "../../policy/events.ts";
import type { Memory } from "../memory.ts";
import type { Seen } from "../watchd.ts";
import type { World } from "../world.ts";
import { type Invariant, recordsOf } from "./invariant.ts";

/** How far a failure that is told may lag behind its time. */
const newsLagMs = 15_000;

function goingBack(seen: Seen): readonly LedgerRecord[] {
  return recordsOf(seen, "agent.stand-in").filter(({ details }) => details.kind === "earlier");
}

export const oneAgentRollbackPerGeneration: Invariant = (seen, memory) => {
  for (const { subject } of goingBack(seen)) {
    const path = memory.current?.path;
    if (memory.wentBackAlone.has(`${path} ${subject}`))
      return `${subject} has gone back alone in ${path} already`;
  }
  return null;
};

/** Earlier settings are put in force right after their closure was found whole, and come from a generation that is trusted. */
export const earlierSettingsAreVerified: Invariant = (seen, memory) => {
  for (const { subject, details } of goingBack(seen)) {
    const { event } = seen;
    const source = String(details.generation);
    if (event.type !== "earlier-found" || event.agent !== subject)
      return `${subject} wears what it had in ${source}, and nobody has verified that`;
    if (memory.quarantined.has(source)) return `${source} is quarantined`;
    if (memory.struck.has(source)) return `the closure of ${source} is known to be damaged`;
  }
  for (const command of seen.taken.commands) {
    // What was known-good when it was decided may have been forgotten until it is asked for again.
    if (command.type !== "find-earlier" || memory.sought.has(command.id)) continue;
    if (!memory.knownGood.has(command.generation)) return `${command.generation} is not known-good`;
  }
  return null;
};

/** Nothing but this agent differs from the generation that its settings come from, and those have never failed. */
export const earlierSettingsMeetWhatTheyKnow: Invariant = (seen, memory, world) => {
  for (const { subject, details } of goingBack(seen)) {
    const now = memory.current?.manifest;
    const source = world.profile.at(String(details.generation)).manifest;
    if (now === undefined) return "nothing is deployed";
    if (now.hostDigest !== source.hostDigest) return "the host has changed since";
    const names = new Set([...Object.keys(now.agents), ...Object.keys(source.agents)]);
    for (const name of names) {
      const same = own(now.agents, name)?.digest === own(source.agents, name)?.digest;
      if (same === (name === subject)) return `${name} is ${same ? "the same" : "another"} there`;
    }
    const broken = `${subject} ${String(details.digest)}`;
    const before = [...memory.brokenDigests].filter(([path]) => path !== memory.current?.path);
    if (before.some(([, each]) => each === broken)) return `${broken} has failed before`;
  }
  return null;
};

/** The policy asks for it, and what was in force has failed as often as it says, by no fault from outside. */
export const standInsHaveACause: Invariant = (seen, memory, world) => {
  for (const { subject, details } of recordsOf(seen, "agent.stand-in")) {
    const declared = own(memory.current?.manifest.agents ?? {}, subject);
    const wish = details.kind === "earlier" ? "rollback-agent" : "fallback";
    if (declared === undefined) return `${subject} is not in this generation`;
    if (!declared.escalate.includes(wish)) return `${subject} does not escalate to ${wish}`;
    if (memory.standIns.get(subject)?.digest === details.digest) return `${subject} wears that already`;
    const why = tooFew(subject, details.kind === "earlier", memory, world, seen);
    if (why !== null) return why;
  }
  return null;
};

function tooFew(agent: string, isBlame: boolean, memory: Memory, world: World, seen: Seen): string | null {
  const restart = memory.current?.manifest.agents[agent]?.restart;
  if (restart === undefined) return `${agent} has no policy`;
  const { attempts, withinMs } = restart;
  // It may be told in the very step in which it has consequences.
  const now = seen.taken.records.filter(
    ({ subject, details }) => subject === agent && "cause" in details && details.cause !== "dependency",
  );
  const told = [...(memory.toldFailures.get(agent) ?? []), ...now.map(() => world.machine.time)];
  const counted = isBlame ? told.filter((at) => at >= memory.switchTime) : told;
  const recent = counted.filter((at) => at > world.machine.time - withinMs - newsLagMs);
  const count = memory.proven.has(agent) ? recent.length : counted.length;
  const cause = now.at(-1)?.details.cause ?? memory.lastCause.get(agent);
  if (count >= attempts || cause === "configuration") return null;
  return `${agent} has failed ${count} times, not ${attempts} times`;
}

/** Every start is with what is in force. */
export const startsAreWithWhatIsInForce: Invariant = (seen, memory) => {
  if (!seen.taken.commands.some(({ type }) => type === "start")) return null;
  const worn = new Map(
    recordsOf(seen, "agent.stand-in").map(({ subject, details }) => [subject, details.digest]),
  );
  const over = new Set(recordsOf(seen, "agent.stand-in-over").map(({ subject }) => subject));
  for (const command of seen.taken.commands) {
    if (command.type !== "start") continue;
    const { agent, digest } = command;
    const declared = memory.current?.manifest.agents[agent]?.digest;
    const wanted = worn.get(agent) ?? (over.has(agent) ? declared : memory.digestOf(agent));
    if (digest !== wanted) return `${agent} is started as ${digest}, and ${String(wanted)} is in force`;
  }
  return null;
};

/** That a required agent is well with other settings proves nothing about those of the generation. */
export const standInsAreNoProof: Invariant = (seen, memory, world) => {
  for (const command of seen.taken.commands) {
    if (command.type !== "promote") continue;
    const { agents } = world.profile.at(command.path).manifest;
    for (const name of memory.standIns.keys())
      if (agents[name]?.required === true) return `${name} does not run as ${command.path} declares it`;
  }
  return null;
};
