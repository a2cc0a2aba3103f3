import type { Invariant } from "./invariant.ts";

export const noStartWhileARunIsAlive: Invariant = (seen, memory) => {
  for (const command of seen.taken.commands) {
    if (command.type !== "start") continue;
    if (memory.runIds.has(command.runId)) return `${command.runId} is used for a second time`;
    for (const [runId, { agent }] of memory.told)
      if (agent === command.agent) return `${agent} is started while ${runId} is alive`;
    for (const [runId, agent] of memory.starting)
      if (agent === command.agent) return `${agent} is started while the start of ${runId} is on its way`;
  }
  return null;
};

export const whatAPersonStoppedStaysStopped: Invariant = (seen, memory) => {
  for (const command of seen.taken.commands)
    if (command.type === "start" && memory.stoppedByPerson.has(command.agent))
      return `${command.agent} is started although a person has stopped it`;
  return null;
};

/** Of what watchd has started itself there is never more than one run of an agent. */
export const neverTwoCopies: Invariant = (_seen, _memory, world) => {
  const seen = new Set<string>();
  for (const { run, life } of world.machine.processes) {
    if (life <= 0) continue;
    if (seen.has(run.agent)) return `there are two runs of ${run.agent}`;
    seen.add(run.agent);
  }
  return null;
};
