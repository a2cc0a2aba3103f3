import type { LedgerRecord } from "../policy/events.ts";
import { keyOf } from "./command-keys.ts";
import type { Decision, Memory } from "./memory.ts";
import type { Seen } from "./watchd.ts";
import type { World } from "./world.ts";

/** What the core says of a run while it is alive. */
export const judgements: readonly string[] = [
  "agent.unhealthy",
  "agent.over-memory",
  "agent.hang",
  "agent.stuck",
  "agent.preempt",
];

/** Takes in what the core made of it; after the step has been judged. */
export function noteOutcome(memory: Memory, seen: Seen, world: World): void {
  for (const record of seen.taken.records) noteRecord(memory, record, world);
  for (const command of seen.taken.commands) {
    const key = keyOf(command);
    memory.outstanding.set(key, (memory.outstanding.get(key) ?? 0) + 1);
    if (command.type === "find-earlier") {
      memory.sought.add(command.id);
      memory.seeking.add(command.agent);
    }
    if (command.type === "start") {
      memory.lastStart.set(command.agent, world.machine.time);
      memory.starting.set(command.runId, command.agent);
      memory.runIds.add(command.runId);
    }
  }
}

function noteRecord(memory: Memory, record: LedgerRecord, world: World): void {
  const { action, subject, incident, run = "", details } = record;
  if (incident !== undefined && !memory.incidents.has(incident)) memory.incidents.set(incident, memory.steps);
  switch (action) {
    case "generation.switch":
      memory.switchStep = memory.steps;
      memory.switchTime = world.machine.time;
      memory.changed = details.changed as string[];
      for (const name of details.removed as string[]) memory.standIns.delete(name);
      for (const name of [...(details.changed as string[]), ...(details.added as string[])])
        memory.toldFailures.delete(name);
      for (const name of [...(details.changed as string[]), ...(details.added as string[])])
        memory.beginAnew(name, world);
      memory.seeking.clear();
      return memory.proven.clear();
    case "agent.hold":
      if (incident !== undefined && memory.holds.get(subject)?.incident !== incident)
        memory.holds.set(subject, { incident, step: memory.steps });
      return;
    case "generation.allow":
      // A person vouches for what has failed: nobody waits for other settings any more.
      if (subject !== memory.current?.path) return;
      for (const name of memory.seeking) memory.forget(name, world);
      return memory.seeking.clear();
    case "generation.rollback":
      if (details.by === "watchd" && !memory.decisions.has(String(details.rollback)))
        noteDecision(memory, record);
      return;
    case "agent.start":
      if (!memory.wantedByPerson.delete(subject) && incident !== undefined) memory.restarting.add(run);
      return;
    case "agent.adopt":
      // It stands in for whatever became of a start that watchd did not live to see.
      if (world.machine.takeOver(run)) memory.beginAnew(subject, world);
      return;
    case "agent.restart-asked":
      memory.lastAsked.set(subject, world.machine.time);
      memory.ownRestarts.set(subject, [...(memory.ownRestarts.get(subject) ?? []), world.machine.time]);
      return;
    case "agent.overuse":
    case "agent.leak":
      memory.overused.set(subject, world.machine.time);
      return;
    case "agent.preempt":
      memory.preempting.add(run);
      if (details.counts === true) break;
      memory.lastAsked.set(subject, world.machine.time);
      memory.preempted.set(subject, [...(memory.preempted.get(subject) ?? []), world.machine.time]);
      return;
    case "agent.stopped-by-person":
      for (const [start, agent] of memory.starting) if (agent === subject) memory.restarting.delete(start);
      return;
    case "agent.released":
      // A person's word: whatever was before.
      memory.wantedByPerson.add(subject);
      memory.beginAnew(subject, world);
      return;
    case "generation.quarantine":
      memory.quarantined.add(subject);
      memory.brokenDigests.set(subject, `${details.agent} ${details.digest}`);
      return;
    case "agent.stand-in":
      if (details.kind === "earlier") memory.wentBackAlone.add(`${memory.current?.path} ${subject}`);
      memory.standIns.set(subject, {
        kind: String(details.kind),
        digest: String(details.digest),
        generation: String(details.generation),
        since: world.machine.time,
      });
      return memory.forget(subject, world);
    case "agent.stand-in-over":
      memory.standIns.delete(subject);
      // A person vouches for what it declares: it is as good as new.
      if (details.why === "allowed") memory.holds.delete(subject);
      return memory.forget(subject, world);
    case "agent.stand-in-refused": {
      const key = `${memory.current?.path} ${subject}`;
      if (details.damaged === true) memory.struck.add(String(details.generation));
      else memory.wentBackAlone.add(key);
      return;
    }
    case "alert.raise":
      if (incident !== undefined) memory.alerted.add(incident);
      return;
    case "agent.healthy":
    case "recovery.verified":
    case "agent.complete":
      memory.proven.add(subject);
      memory.provenAt.set(run, world.machine.time);
      return;
  }
  const judged = judgements.includes(action);
  if (judged && world.machine.process(run) === undefined)
    memory.foundDead.set(subject, [...(memory.foundDead.get(subject) ?? []), world.machine.time]);
  if (details.cause === "dependency")
    memory.outsideFaults.set(subject, [...(memory.outsideFaults.get(subject) ?? []), world.machine.time]);
  if (typeof details.cause !== "string") return;
  if (details.cause !== "dependency")
    memory.toldFailures.set(subject, [...(memory.toldFailures.get(subject) ?? []), world.machine.time]);
  memory.lastCause.set(subject, details.cause);
  memory.lastTold.set(subject, world.machine.time);
}

function noteDecision(memory: Memory, { incident = "", subject, details }: LedgerRecord): void {
  const decision: Decision = {
    id: String(details.rollback),
    agent: String(details.agent),
    incident,
    from: String(details.from),
    target: subject,
  };
  memory.decisions.set(decision.id, decision);
  memory.spent.set(decision.from, (memory.spent.get(decision.from) ?? 0) + 1);
}
