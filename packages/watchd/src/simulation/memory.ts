import { own } from "@daruma/base";
import type { AgentManifest } from "@daruma/config";
import type { CurrentGeneration } from "../ports.ts";
import type { World } from "./world.ts";

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
  /** Run -> when this watchd last found it to be well. */
  readonly provenAt = new Map<string, number>();
  readonly ended = new Set<string>();
  readonly runIds = new Set<string>();
  /** Agent -> when it was found unhealthy, silent or too big by what was asked before its exit was heard of. */
  readonly foundDead = new Map<string, number[]>();
  life = 0;
  /** When this life of watchd began. */
  lifeBegan = 0;
  bootId = "";

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

  /** With other settings it begins anew: what was before says nothing about them. */
  forget(agent: string, world: World): void {
    this.beginAnew(agent, world);
    this.proven.delete(agent);
    this.lastCause.delete(agent);
    this.toldFailures.delete(agent);
  }

  beginAnew(agent: string, { machine }: World): void {
    this.fresh.set(agent, machine.time);
    this.#failedBefore.set(agent, machine.failures.get(agent)?.length ?? 0);
  }

  noteStopped(agent: string, to: number): void {
    const never = Number.NEGATIVE_INFINITY;
    const from = this.lastStart.get(agent) ?? never;
    if ((this.lastAsked.get(agent) ?? never) < from || (this.lastTold.get(agent) ?? never) > from) return;
    this.unheard.set(agent, [...(this.unheard.get(agent) ?? []), { from, to }]);
  }
}
