import { own } from "@daruma/base";
import type { Event } from "../policy/events.ts";
import type { CurrentGeneration } from "../ports.ts";
import { endsOf } from "./command-keys.ts";
import type { Memory } from "./memory.ts";
import type { Seen } from "./watchd.ts";
import type { World } from "./world.ts";

/** Takes in what the core is told; before the step is judged. */
export function noteEvent(memory: Memory, seen: Seen, world: World): void {
  memory.steps += 1;
  if (seen.life !== memory.life) noteNewLife(memory, seen, world);
  noteCommandEnd(memory, seen.event);
  noteNews(memory, seen, world);
}

function noteNewLife(memory: Memory, seen: Seen, world: World): void {
  memory.life = seen.life;
  memory.lifeBegan = world.machine.time;
  memory.provenAt.clear();
  memory.outstanding.clear();
  memory.told.clear();
  memory.starting.clear();
  memory.restarting.clear();
  memory.preempting.clear();
  if (memory.bootId === world.machine.bootId) return;
  memory.bootId = world.machine.bootId;
  for (const agent of Object.keys(seen.before.agents)) memory.beginAnew(agent, world);
}

function noteCommandEnd(memory: Memory, event: Event): void {
  const ends = endsOf(event);
  if (ends === null) return;
  const left = (memory.outstanding.get(ends) ?? 0) - 1;
  if (left > 0) memory.outstanding.set(ends, left);
  else memory.outstanding.delete(ends);
}

function noteNews(memory: Memory, seen: Seen, world: World): void {
  const { event } = seen;
  const { mono } = seen.now;
  switch (event.type) {
    case "ledger":
      memory.ledgerAway = !event.reachable;
      return;
    case "generation":
    case "promoted":
      if (event.type === "generation") noteManifest(memory, event.current, world);
      memory.knownGood = new Set(event.knownGood.map(({ path }) => path));
      if (event.type === "promoted") memory.struck.delete(event.path);
      return;
    case "runs":
      memory.stoppedByPerson = new Set(event.stopped);
      // A stop that an earlier watchd had asked for may be through: nobody is told.
      for (const agent of memory.lastAsked.keys())
        if (!event.runs.some((run) => run.agent === agent)) memory.noteStopped(agent, world.machine.time);
      return noteRuns(memory, event, mono);
    case "earlier-found":
    case "earlier-refused":
      memory.seeking.delete(event.agent);
      return;
    case "idle":
      memory.idleUntil.set(event.agent, world.machine.time + event.forMs);
      return;
    case "operator-start":
      memory.stoppedByPerson = new Set([...memory.stoppedByPerson].filter((agent) => agent !== event.agent));
      return;
    case "started":
      memory.starting.delete(event.run.runId);
      memory.restarting.delete(event.run.runId);
      if (!memory.ended.has(event.run.runId) && !memory.told.has(event.run.runId))
        memory.told.set(event.run.runId, { agent: event.run.agent, at: mono });
      return;
    case "stop-failed":
      memory.preempting.delete(event.runId);
      return;
    case "exited":
    case "stopped":
    case "start-failed":
      memory.preempting.delete(event.runId);
      memory.starting.delete(event.runId);
      memory.restarting.delete(event.runId);
      memory.told.delete(event.runId);
      memory.ended.add(event.runId);
      if (event.type === "stopped") memory.noteStopped(event.agent, world.machine.time);
      return;
    case "rollback-refused":
      // Where a person has switched meanwhile, the answer comes too late to be of use.
      return seen.before.rollback?.id === event.id ? noteRefusal(memory, event.id) : undefined;
    case "operator-allow":
      memory.quarantined.delete(event.path);
      memory.brokenDigests.delete(event.path);
      for (const key of [...memory.wentBackAlone])
        if (key.startsWith(`${event.path} `)) memory.wentBackAlone.delete(key);
      memory.struck.delete(event.path);
      memory.spent.delete(event.path);
      return;
  }
}

/** A policy that changes has its own idea of which failures are recent. */
function noteManifest(memory: Memory, current: CurrentGeneration, world: World): void {
  for (const [name, { restart }] of Object.entries(current.manifest.agents)) {
    const before = own(memory.current?.manifest.agents ?? {}, name)?.restart;
    if (before !== undefined && before !== restart && JSON.stringify(before) !== JSON.stringify(restart))
      memory.beginAnew(name, world);
  }
  memory.current = current;
}

function noteRuns(memory: Memory, event: Extract<Event, { type: "runs" }>, mono: number): void {
  const listed = new Set(event.runs.map(({ runId }) => runId));
  for (const [runId, { at }] of memory.told) {
    if (listed.has(runId) || at >= event.takenAt) continue;
    memory.told.delete(runId);
    memory.ended.add(runId);
  }
  for (const { runId, agent } of event.runs) {
    memory.restarting.delete(runId);
    if (!memory.told.has(runId) && !memory.ended.has(runId)) memory.told.set(runId, { agent, at: mono });
  }
}

function noteRefusal(memory: Memory, id: string): void {
  const decision = memory.decisions.get(id);
  if (decision === undefined) return;
  memory.decisions.delete(id);
  memory.struck.add(decision.target);
  memory.spent.set(decision.from, Math.max(0, (memory.spent.get(decision.from) ?? 0) - 1));
}
