import { judgements } from "../memory-records.ts";
import { isSilent, isStuck, type Process, usageOf } from "../process.ts";
import { type Invariant, recordsOf } from "./invariant.ts";
import { missedTooMany } from "./steadiness.ts";

export const everyActionIsRecorded: Invariant = (seen, memory) => {
  for (const command of seen.taken.commands) {
    if (command.type === "start" || command.type === "stop") {
      const told = recordsOf(seen, `agent.${command.type}`).some(({ run }) => run === command.runId);
      if (!told) return `${command.type} of ${command.runId} has no record`;
    } else if (command.type === "find-earlier") {
      const told = recordsOf(seen, "recovery.escalate").some(
        ({ subject, details }) => subject === command.agent && details.to === "rollback-agent",
      );
      // Asked once more by the next watchd, it is the same.
      if (!told && !memory.sought.has(command.id)) return `${command.id} has no record`;
    } else if (command.type === "rollback") {
      const told = recordsOf(seen, "generation.rollback").some(
        ({ details }) => details.rollback === command.id,
      );
      if (!told) return `${command.id} has no record`;
    }
  }
  return null;
};

/** Whoever is restarted at the pace of the held has had an alert in the same incident, where alerts are wanted. */
export const noAgentIsGivenUpSilently: Invariant = (seen, memory) => {
  for (const { subject, incident = "", details } of recordsOf(seen, "agent.restart")) {
    const wanted = memory.current?.manifest.agents[subject]?.escalate.includes("alert") === true;
    const told =
      memory.alerted.has(incident) ||
      recordsOf(seen, "alert.raise").some((alert) => alert.incident === incident);
    if (details.held === true && wanted && !told) return `${subject} is held without an alert`;
  }
  return null;
};

/** What is called unhealthy, silent or too big really is; the world's own books of failures depend on it. */
export const noRunIsBlamedWithoutCause: Invariant = (seen, memory, world) => {
  const { machine } = world;
  for (const { action, run = "", subject, details } of seen.taken.records) {
    if (!judgements.includes(action)) continue;
    const process = machine.process(run);
    if (process === undefined) continue;
    const limit = memory.manifestOf(subject, world)?.limits.memoryBytes ?? 0;
    if (!isGuilty(action, process, limit, machine.time)) return `${subject} is called ${action} and is not`;
    if (details.counts !== false) machine.blame(subject, process.run.digest, "own");
  }
  return null;
};

function isGuilty(action: string, process: Process, limitBytes: number, time: number): boolean {
  if (action === "agent.over-memory") return (usageOf(process, time).memoryBytes ?? 0) > limitBytes;
  if (action === "agent.hang") return isSilent(process);
  if (action === "agent.stuck") return isStuck(process);
  // What it hoards it may have let go of, by the time of its restart.
  if (action === "agent.preempt") return process.growth > 0 || process.hasHoarded;
  return missedTooMany(process);
}
