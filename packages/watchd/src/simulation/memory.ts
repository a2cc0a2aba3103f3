import { own } from "@daruma/base";
import type { AgentManifest } from "@daruma/config";
import type { Event, LedgerRecord } from "../policy/events.ts";
import type { CurrentGeneration } from "../ports.ts";
import { endsOf, keyOf } from "./command-keys.ts";
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

/** An automatic rollback, as it was decided. */
export interface Decision {
  readonly id: string;
  readonly agent: string;
  readonly incident: string;
  readonly from: string;
  readonly target: string;
}

/** What an agent was told to run with. */
export interface WornSettings {
  readonly kind: string;
  readonly digest: string;
  readonly generation: string;
  readonly since: number;
}

/**
 * What the invariants need to remember of the steps before: kept from events, commands and records alone, so that it owes
 * nothing to how the core keeps its own books.
 */
export class Memory {
  steps = 0;
  /** When the core noted the last switch: step and time. */
  switchStep = 0;
  switchTime = Number.NEGATIVE_INFINITY;
  /** What the core was told last of what is current and what is known-good. */
  current: CurrentGeneration | null = null;
  knownGood: ReadonlySet<string> = new Set();
  /** Incident -> step of its first record. */
  readonly incidents = new Map<string, number>();
  /** Agent -> the last incident in which it was held, and the first step of that. */
  readonly holds = new Map<string, { readonly incident: string; readonly step: number }>();
  /** What the core was told last. */
  ledgerAway = false;
  /** Agents that the last switch changed. */
  changed: readonly string[] = [];
  readonly alerted = new Set<string>();
  /** Automatic rollbacks that were not refused, by id. */
  readonly decisions = new Map<string, Decision>();
  readonly quarantined = new Set<string>();
  /** Targets that were refused because of their closure. */
  readonly struck = new Set<string>();
  /** Path -> automatic rollbacks away from it since a person last vouched for it. */
  readonly spent = new Map<string, number>();
  /** Runs that the core was told are alive: run -> its agent and the monotonic instant of the news. */
  readonly told = new Map<string, { readonly agent: string; readonly at: number }>();
  /** Commands of this life whose end has not been reported. */
  readonly outstanding = new Map<string, number>();
  /** Starts of this life whose end has not been reported: run -> agent. */
  readonly starting = new Map<string, string>();
  /** Those of them that follow a failure. */
  readonly restarting = new Set<string>();
  /** Agents that a person has started, until they are: nobody limits how many. */
  readonly wantedByPerson = new Set<string>();
  /** Agent -> time since which its failures count: before, it was another one. */
  readonly fresh = new Map<string, number>();
  /** Agent -> how many of its failures there had been by then: some of them may have the same time. */
  readonly #failedBefore = new Map<string, number>();
  /** Agent -> time of the last start that was asked for, and whether it is the first of this definition. */
  readonly lastStart = new Map<string, number>();
  /** Agent -> when it was heard to say that the fault is outside. */
  readonly outsideFaults = new Map<string, number[]>();
  readonly lastCause = new Map<string, string>();
  /** Agent -> when the core last told a failure of it. */
  readonly lastTold = new Map<string, number>();
  /** Agent -> when it last asked for its own restart. */
  readonly lastAsked = new Map<string, number>();
  /** Agent -> when it was restarted for using too much, which was no failure. */
  readonly preempted = new Map<string, number[]>();
  /** Runs that are being stopped for using too much, until that is through or has failed. */
  readonly preempting = new Set<string>();
  /** Agent -> when it was restarted because it wanted to. */
  readonly ownRestarts = new Map<string, number[]>();
  /** Agent -> since when it is known to use too much. */
  readonly overused = new Map<string, number>();
  /** Agent -> until when it has said that it is idle. */
  readonly idleUntil = new Map<string, number>();
  /** Agent -> the times of runs that were stopped because they had asked for it, before a failure of theirs was heard of. */
  readonly unheard = new Map<string, { readonly from: number; readonly to: number }[]>();
  /** Agent -> what it runs with in place of what its generation declares. */
  readonly standIns = new Map<string, WornSettings>();
  /** `PATH AGENT` for each agent that has gone back alone in the generation since a person last vouched for that. */
  readonly wentBackAlone = new Set<string>();
  /** Agents for which earlier settings are looked for. */
  readonly seeking = new Set<string>();
  /** Searches for earlier settings that were ever asked for. */
  readonly sought = new Set<string>();
  /** `AGENT DIGEST` of what was quarantined, by path. */
  readonly brokenDigests = new Map<string, string>();
  /** Agent -> when the core told a failure that is not known to come from outside. */
  readonly toldFailures = new Map<string, number[]>();
  /** Agents that have been healthy since the last switch. */
  readonly proven = new Set<string>();
  /** What the core was told last that a person has stopped. */
  stoppedByPerson: ReadonlySet<string> = new Set();
  readonly ended = new Set<string>();
  readonly runIds = new Set<string>();
  /** Agent -> when it was found unhealthy, silent or too big by what was asked before its exit was heard of. */
  readonly foundDead = new Map<string, number[]>();
  life = 0;
  bootId = "";

  /** Takes in what the core is told; before the step is judged. */
  noteEvent(seen: Seen, world: World): void {
    this.steps += 1;
    if (seen.life !== this.life) this.#newLife(seen, world);
    this.#noteEvent(seen, world);
  }

  /** Takes in what the core made of it; after the step has been judged. */
  noteOutcome(seen: Seen, world: World): void {
    for (const record of seen.taken.records) this.#noteRecord(record, world);
    for (const command of seen.taken.commands) {
      const key = keyOf(command);
      this.outstanding.set(key, (this.outstanding.get(key) ?? 0) + 1);
      if (command.type === "find-earlier") {
        this.sought.add(command.id);
        this.seeking.add(command.agent);
      }
      if (command.type === "start") {
        this.lastStart.set(command.agent, world.machine.time);
        this.starting.set(command.runId, command.agent);
        this.runIds.add(command.runId);
      }
    }
  }

  /** What has really gone wrong with the agent as it is defined now. */
  failuresOf(agent: string, world: World) {
    const since = this.fresh.get(agent) ?? Number.NEGATIVE_INFINITY;
    const digest = this.digestOf(agent);
    const unheard = this.unheard.get(agent) ?? [];
    const always = own(this.current?.manifest.agents ?? {}, agent)?.restart.when === "always";
    return (world.machine.failures.get(agent) ?? [])
      .slice(this.#failedBefore.get(agent))
      .filter(
        (failure) =>
          failure.time >= since &&
          failure.digest === digest &&
          !unheard.some(({ from, to }) => failure.time >= from && failure.time <= to) &&
          (failure.kind !== "done" || (always && failure.time > this.switchTime)),
      );
  }

  /** Of what it is to run with: what is declared, or what stands in for that. */
  digestOf(agent: string): string | undefined {
    return this.standIns.get(agent)?.digest ?? own(this.current?.manifest.agents ?? {}, agent)?.digest;
  }

  /** As the policy core is to judge it. */
  manifestOf(agent: string, world: World): AgentManifest | undefined {
    const declared = own(this.current?.manifest.agents ?? {}, agent);
    const worn = this.standIns.get(agent);
    if (worn?.kind !== "earlier" || declared === undefined) return declared;
    return world.profile.at(worn.generation).manifest.agents[agent];
  }

  #newLife(seen: Seen, world: World): void {
    this.life = seen.life;
    this.outstanding.clear();
    this.told.clear();
    this.starting.clear();
    this.restarting.clear();
    this.preempting.clear();
    if (this.bootId === world.machine.bootId) return;
    this.bootId = world.machine.bootId;
    for (const agent of Object.keys(seen.before.agents)) this.#beginAnew(agent, world);
  }

  #noteEvent(seen: Seen, world: World): void {
    const { event } = seen;
    const { mono } = seen.now;
    const ends = endsOf(event);
    if (ends !== null) {
      const left = (this.outstanding.get(ends) ?? 0) - 1;
      if (left > 0) this.outstanding.set(ends, left);
      else this.outstanding.delete(ends);
    }
    switch (event.type) {
      case "ledger":
        this.ledgerAway = !event.reachable;
        return;
      case "generation":
      case "promoted":
        if (event.type === "generation") this.#noteManifest(event.current, world);
        this.knownGood = new Set(event.knownGood.map(({ path }) => path));
        if (event.type === "promoted") this.struck.delete(event.path);
        return;
      case "runs":
        this.stoppedByPerson = new Set(event.stopped);
        // A stop that an earlier watchd had asked for may be through: nobody is told.
        for (const agent of this.lastAsked.keys())
          if (!event.runs.some((run) => run.agent === agent)) this.#noteStopped(agent, world.machine.time);
        return this.#noteRuns(event, mono);
      case "earlier-found":
      case "earlier-refused":
        this.seeking.delete(event.agent);
        return;
      case "idle":
        this.idleUntil.set(event.agent, world.machine.time + event.forMs);
        return;
      case "operator-start":
        this.stoppedByPerson = new Set([...this.stoppedByPerson].filter((agent) => agent !== event.agent));
        return;
      case "started":
        this.starting.delete(event.run.runId);
        this.restarting.delete(event.run.runId);
        if (!this.ended.has(event.run.runId) && !this.told.has(event.run.runId))
          this.told.set(event.run.runId, { agent: event.run.agent, at: mono });
        return;
      case "stop-failed":
        this.preempting.delete(event.runId);
        return;
      case "exited":
      case "stopped":
      case "start-failed":
        this.preempting.delete(event.runId);
        this.starting.delete(event.runId);
        this.restarting.delete(event.runId);
        this.told.delete(event.runId);
        this.ended.add(event.runId);
        if (event.type === "stopped") this.#noteStopped(event.agent, world.machine.time);
        return;
      case "rollback-refused":
        // Where a person has switched meanwhile, the answer comes too late to be of use.
        return seen.before.rollback?.id === event.id ? this.#noteRefusal(event.id) : undefined;
      case "operator-allow":
        this.quarantined.delete(event.path);
        this.brokenDigests.delete(event.path);
        for (const key of [...this.wentBackAlone])
          if (key.startsWith(`${event.path} `)) this.wentBackAlone.delete(key);
        this.struck.delete(event.path);
        this.spent.delete(event.path);
        return;
    }
  }

  /** A policy that changes has its own idea of which failures are recent. */
  #noteManifest(current: CurrentGeneration, world: World): void {
    for (const [name, { restart }] of Object.entries(current.manifest.agents)) {
      const before = own(this.current?.manifest.agents ?? {}, name)?.restart;
      if (before !== undefined && before !== restart && JSON.stringify(before) !== JSON.stringify(restart))
        this.#beginAnew(name, world);
    }
    this.current = current;
  }

  #noteRuns(event: Extract<Event, { type: "runs" }>, mono: number): void {
    const listed = new Set(event.runs.map(({ runId }) => runId));
    for (const [runId, { at }] of this.told) {
      if (listed.has(runId) || at >= event.takenAt) continue;
      this.told.delete(runId);
      this.ended.add(runId);
    }
    for (const { runId, agent } of event.runs) {
      this.restarting.delete(runId);
      if (!this.told.has(runId) && !this.ended.has(runId)) this.told.set(runId, { agent, at: mono });
    }
  }

  #noteRefusal(id: string): void {
    const decision = this.decisions.get(id);
    if (decision === undefined) return;
    this.decisions.delete(id);
    this.struck.add(decision.target);
    this.spent.set(decision.from, Math.max(0, (this.spent.get(decision.from) ?? 0) - 1));
  }

  #noteRecord(record: LedgerRecord, world: World): void {
    const { action, subject, incident, run = "", details } = record;
    if (incident !== undefined && !this.incidents.has(incident)) this.incidents.set(incident, this.steps);
    switch (action) {
      case "generation.switch":
        this.switchStep = this.steps;
        this.switchTime = world.machine.time;
        this.changed = details.changed as string[];
        for (const name of details.removed as string[]) this.standIns.delete(name);
        for (const name of [...(details.changed as string[]), ...(details.added as string[])])
          this.toldFailures.delete(name);
        for (const name of [...(details.changed as string[]), ...(details.added as string[])])
          this.#beginAnew(name, world);
        this.seeking.clear();
        return this.proven.clear();
      case "agent.hold":
        if (incident !== undefined && this.holds.get(subject)?.incident !== incident)
          this.holds.set(subject, { incident, step: this.steps });
        return;
      case "generation.allow":
        // A person vouches for what has failed: nobody waits for other settings any more.
        if (subject !== this.current?.path) return;
        for (const name of this.seeking) this.#forget(name, world);
        return this.seeking.clear();
      case "generation.rollback":
        if (details.by === "watchd" && !this.decisions.has(String(details.rollback))) this.#decide(record);
        return;
      case "agent.start":
        if (!this.wantedByPerson.delete(subject) && incident !== undefined) this.restarting.add(run);
        return;
      case "agent.adopt":
        // It stands in for whatever became of a start that watchd did not live to see.
        if (world.machine.takeOver(run)) this.#beginAnew(subject, world);
        return;
      case "agent.restart-asked":
        this.lastAsked.set(subject, world.machine.time);
        this.ownRestarts.set(subject, [...(this.ownRestarts.get(subject) ?? []), world.machine.time]);
        return;
      case "agent.overuse":
      case "agent.leak":
        this.overused.set(subject, world.machine.time);
        return;
      case "agent.preempt":
        this.preempting.add(run);
        if (details.counts === true) break;
        this.lastAsked.set(subject, world.machine.time);
        this.preempted.set(subject, [...(this.preempted.get(subject) ?? []), world.machine.time]);
        return;
      case "agent.stopped-by-person":
        for (const [start, agent] of this.starting) if (agent === subject) this.restarting.delete(start);
        return;
      case "agent.released":
        // A person's word: whatever was before.
        this.wantedByPerson.add(subject);
        this.#beginAnew(subject, world);
        return;
      case "generation.quarantine":
        this.quarantined.add(subject);
        this.brokenDigests.set(subject, `${details.agent} ${details.digest}`);
        return;
      case "agent.stand-in":
        if (details.kind === "earlier") this.wentBackAlone.add(`${this.current?.path} ${subject}`);
        this.standIns.set(subject, {
          kind: String(details.kind),
          digest: String(details.digest),
          generation: String(details.generation),
          since: world.machine.time,
        });
        return this.#forget(subject, world);
      case "agent.stand-in-over":
        this.standIns.delete(subject);
        // A person vouches for what it declares: it is as good as new.
        if (details.why === "allowed") this.holds.delete(subject);
        return this.#forget(subject, world);
      case "agent.stand-in-refused": {
        const key = `${this.current?.path} ${subject}`;
        if (details.damaged === true) this.struck.add(String(details.generation));
        else this.wentBackAlone.add(key);
        return;
      }
      case "alert.raise":
        if (incident !== undefined) this.alerted.add(incident);
        return;
      case "agent.healthy":
      case "recovery.verified":
      case "agent.complete":
        this.proven.add(subject);
        return;
    }
    const judged = judgements.includes(action);
    if (judged && world.machine.process(run) === undefined)
      this.foundDead.set(subject, [...(this.foundDead.get(subject) ?? []), world.machine.time]);
    if (details.cause === "dependency")
      this.outsideFaults.set(subject, [...(this.outsideFaults.get(subject) ?? []), world.machine.time]);
    if (typeof details.cause !== "string") return;
    if (details.cause !== "dependency")
      this.toldFailures.set(subject, [...(this.toldFailures.get(subject) ?? []), world.machine.time]);
    this.lastCause.set(subject, details.cause);
    this.lastTold.set(subject, world.machine.time);
  }

  /** With other settings it begins anew: what was before says nothing about them. */
  #forget(agent: string, world: World): void {
    this.#beginAnew(agent, world);
    this.proven.delete(agent);
    this.lastCause.delete(agent);
    this.toldFailures.delete(agent);
  }

  #beginAnew(agent: string, { machine }: World): void {
    this.fresh.set(agent, machine.time);
    this.#failedBefore.set(agent, machine.failures.get(agent)?.length ?? 0);
  }

  #noteStopped(agent: string, to: number): void {
    const never = Number.NEGATIVE_INFINITY;
    const from = this.lastStart.get(agent) ?? never;
    if ((this.lastAsked.get(agent) ?? never) < from || (this.lastTold.get(agent) ?? never) > from) return;
    this.unheard.set(agent, [...(this.unheard.get(agent) ?? []), { from, to }]);
  }

  #decide({ incident = "", subject, details }: LedgerRecord): void {
    const decision: Decision = {
      id: String(details.rollback),
      agent: String(details.agent),
      incident,
      from: String(details.from),
      target: subject,
    };
    this.decisions.set(decision.id, decision);
    this.spent.set(decision.from, (this.spent.get(decision.from) ?? 0) + 1);
  }
}
