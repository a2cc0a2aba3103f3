import type { WatchdogPolicy } from "@daruma/config";
import type { Instant, KnownGood } from "../ports.ts";
import type { AlertKind, FailureCause } from "./causes.ts";
import type { AgentPolicy, GoingBack, StandIn } from "./settings.ts";
import type { UpstreamDown } from "./upstreams.ts";
import { noUsage, type UsageState } from "./usage.ts";
import {
  type Lacking,
  noProbe,
  noPulse,
  noWork,
  type PendingRestart,
  type ProbeState,
  type PulseState,
  type WorkState,
} from "./watched.ts";

export type { AlertKind, FailureCause } from "./causes.ts";
export type { AgentPolicy, GoingBack, StandIn, StandInKind } from "./settings.ts";

/**
 * - `stopped`: nothing runs; it is started as soon as nothing stands in the way
 * - `starting`: a start is on its way
 * - `verifying`: runs, and has yet to prove itself
 * - `healthy`: has proven itself
 * - `stopping`: a stop is on its way; `afterStop` says what follows
 * - `backoff`: will be started at `restartAt`; without one, when the rollback that it asked for has been settled, or its earlier
 *   settings are there
 * - `completed`: ended by itself as its restart policy allows
 * - `failed`: ended badly, and its restart policy is `never`, or it says that its configuration is wrong
 */
export type Phase =
  | "stopped"
  | "starting"
  | "verifying"
  | "healthy"
  | "stopping"
  | "backoff"
  | "completed"
  | "failed";

/** One recovery, from the first failure to the proof of health. All its ledger entries share `id`. */
export interface Incident {
  readonly id: string;
  readonly since: Instant;
  /** Value of `State.turn` at the first failure: orders it against switches whatever the clocks do. */
  readonly sinceTurn: number;
  readonly cause: FailureCause;
  readonly restarts: number;
  /** An automatic rollback was decided for this incident; there is never a second one. */
  readonly rolledBack: boolean;
  /** The kinds of alert that were raised for it: each at most once. */
  readonly alerts: readonly AlertKind[];
  /** Restarts had been exhausted when a switch changed the agent: to go back to what it was would not help. */
  readonly beyondHelp?: boolean;
}

export interface RunState {
  readonly runId: string;
  readonly digest: string;
  readonly started: Instant;
  /** Monotonic instant at which the core learned of it: a list that was begun before says nothing about it. */
  readonly knownAt: number;
  /** First passing probe of this run. */
  readonly served: Instant | null;
}

export interface AgentState {
  /** What is in force: what is declared, but for what stands in for it. */
  readonly policy: AgentPolicy;
  readonly standIn: StandIn | null;
  readonly goingBack: GoingBack | null;
  /**
   * Turn of the switch that changed what it is, unless restarts were exhausted by then: what is wrong after it is not what was wrong
   * before, even if the incident is the same. Absent where no switch has.
   */
  readonly changedIn?: number | null;
  /** Whether the current generation has it; one that it has not is on its way out. */
  readonly declared: boolean;
  readonly phase: Phase;
  /**
   * Why it is not to run although it is declared. `person`: a person has stopped it, until a person starts it. `outside`:
   * its run was stopped behind our back, with systemctl; until it is started in the same way, a switch has been made, or
   * the machine boots. `switch`: the same by a switch that was under way, until that has ended.
   */
  readonly stoppedBy: "person" | "outside" | "switch" | null;
  readonly run: RunState | null;
  /** The run that is being started; `askedAt` is a monotonic instant. */
  readonly startingRun: { readonly runId: string; readonly digest: string; readonly askedAt: number } | null;
  /** The last run that ended: news of it from before the monotonic instant `at` is stale. */
  readonly endedRun: { readonly runId: string; readonly at: number } | null;
  /** Further runs of the agent, which nobody wants. Nothing is started before they are gone. */
  readonly strays: readonly Stray[];
  /**
   * Why it is being stopped. What follows is decided by what is wanted once it has stopped. `outside`: not by us, so that
   * its end is told as that of any run.
   */
  readonly afterStop: "recover" | "replace" | "remove" | "outside" | null;
  /** Stops of this run that could not be carried out. */
  readonly failedStops: number;
  /** Monotonic instant of the next start (`backoff`), or of the next try to stop (`stopping`). */
  readonly restartAt: number | null;
  /**
   * Monotonic instant since which its restart waits because as many agents are starting up as may do so at once; null if it does
   * not. `firstOfAll` if a person has asked for the start.
   */
  readonly turnSince: number | null;
  readonly incident: Incident | null;
  /** Monotonic instants within the policy's window, oldest first: all failures whose fault is not known to be outside. */
  readonly failures: readonly number[];
  /** Those of them that speak against this generation: seen with their cause, and after the switch. */
  readonly evidence: readonly number[];
  /** All that ever were in `evidence` in this generation, however long ago. */
  readonly failuresInGeneration: number;
  readonly provenInGeneration: boolean;
  /** Monotonic instants of the faults that came from outside; they lengthen the backoff and count for nothing else. */
  readonly outsideFaults: readonly number[];
  /** How many of those came last, one after the other. */
  readonly externalFaults: number;
  /** Restarting did not help and nothing is eligible: tried again at the longest backoff. */
  readonly held: boolean;
  /** It has said that its configuration is wrong: to start it once more, as it is, would change nothing. */
  readonly misconfigured: boolean;
  /** What the agent itself says that it waits for. */
  readonly waitsFor: string | null;
  readonly probe: ProbeState;
  readonly pulse: PulseState;
  readonly work: WorkState;
  readonly usage: UsageState;
  /** It uses too much, and is restarted at the next moment that suits it. Lives in memory only. */
  readonly pending: PendingRestart | null;
  /** That restarting this run would not help has been told. Lives in memory only. */
  readonly toldInVain: boolean;
  /** Monotonic instants within the policy's window of restarts that were no failures, because it used too much. */
  readonly preempted: readonly number[];
  /** Monotonic instants within the policy's window of restarts that it has asked for itself. */
  readonly ownRestarts: readonly number[];
  /** That it asks for more of them than it gets has been told of this run. Lives in memory only. */
  readonly toldTooOften: boolean;
  /** Those of its dependencies that are not reached, or were not a moment ago. */
  readonly lacking: Readonly<Record<string, Lacking>>;
  /** Dependency -> monotonic instant at which it was reached last. */
  readonly reached: Readonly<Record<string, number>>;
  /** Restarting is exhausted, and what comes of that waits for whether what it needs was there. */
  readonly awaitsWord: boolean;
}

export interface Stray {
  readonly runId: string;
  /** A stop is on its way; if not, the next survey asks for one. */
  readonly asked: boolean;
}

export interface GenerationState {
  readonly number: number;
  readonly path: string;
  readonly hostDigest: string;
  readonly watchdog: WatchdogPolicy;
  readonly activated: Instant;
  readonly activatedTurn: number;
}

export interface Rollback {
  readonly id: string;
  readonly by: "watchd" | "operator";
  readonly from: string;
  readonly target: string;
  readonly targetNumber: number | null;
  /** The agent whose failure asked for it; null for an operator's. */
  readonly agent: string | null;
  readonly incident: string | null;
  readonly decided: Instant;
  readonly attempts: number;
  /** The last attempt has failed: monotonic instant of the next one; absent while one is under way. */
  readonly retry?: { readonly at: number; readonly problems: readonly string[] };
}

/** One that has failed, in the boot `bootId`: its target may be what boots next all the same. */
export interface AwaitsBoot extends Rollback {
  readonly bootId: string;
}

/** A generation that was rolled back from: never a target again, refused at deploy until a person allows it. */
export interface Quarantined {
  readonly path: string;
  readonly number: number;
  readonly agent: string;
  readonly digest: string;
  readonly incident: string;
  /** Unix time in milliseconds. */
  readonly at: number;
}

export interface State {
  readonly schemaVersion: 1;
  /** Random, made once with the state directory; run and incident ids begin with it. */
  readonly epoch: string;
  readonly bootId: string;
  /** Counts events: a clock that nothing can step. */
  readonly turn: number;
  readonly nextId: number;
  /** Monotonic instant of the last event; absent before the first. */
  readonly steppedAt?: number;
  /** State of the generator that jitter is drawn from. */
  readonly random: number;
  readonly generation: GenerationState | null;
  readonly agents: Readonly<Record<string, AgentState>>;
  readonly knownGood: readonly KnownGood[];
  /** Store paths whose closure did not verify: not targets any more. */
  readonly rejected: readonly string[];
  /** Monotonic instant since which every required agent has been healthy; null while one is not. */
  readonly provenSince: number | null;
  readonly promotion: "pending" | "verifying" | "done";
  /** How many tries to promote the current generation have come to nothing, one after the other. */
  readonly promotionFailures: number;
  readonly rollback: Rollback | null;
  readonly awaitsBoot: AwaitsBoot | null;
  /** Store path -> automatic rollbacks that have left it. */
  readonly spentBudget: Readonly<Record<string, number>>;
  /** Store path -> agents that have gone back alone in it. */
  readonly wentBackAlone: Readonly<Record<string, readonly string[]>>;
  /** Store path -> of those agents the ones that could not, and why. */
  readonly keptFromAlone: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly quarantine: readonly Quarantined[];
  /** False from boot until what is alive has been listed: nothing is started or stopped before that. */
  readonly surveyed: boolean;
  /** What a person has stopped, declared or not, as the last survey told. */
  readonly stopped: readonly string[];
  /** The ledger takes no entries. What happens meanwhile waits in the journal; but a generation is not proven so. */
  readonly ledgerAway: boolean;
  /** Agent -> what egressd finds down for it and for others: its failures are put down to that. */
  readonly upstreamsDown: Readonly<Record<string, UpstreamDown>>;
  /** Everything is being stopped for good; nothing is started any more. */
  readonly draining: boolean;
}

export function initialState(options: { epoch: string; bootId: string; seed: number }): State {
  return {
    schemaVersion: 1,
    epoch: options.epoch,
    bootId: options.bootId,
    turn: 0,
    nextId: 1,
    random: options.seed >>> 0,
    generation: null,
    agents: {},
    knownGood: [],
    rejected: [],
    provenSince: null,
    promotion: "pending",
    promotionFailures: 0,
    rollback: null,
    awaitsBoot: null,
    spentBudget: {},
    wentBackAlone: {},
    keptFromAlone: {},
    quarantine: [],
    surveyed: false,
    stopped: [],
    ledgerAway: false,
    upstreamsDown: {},
    draining: false,
  };
}

/** What is known of a run that has just begun, or is looked at by a watchd that has. */
export const nothingSeen = {
  probe: noProbe,
  pulse: noPulse,
  work: noWork,
  usage: noUsage,
  pending: null,
  toldInVain: false,
  toldTooOften: false,
} as const satisfies Partial<AgentState>;

/** What the failures and proofs of one definition of an agent teach; another definition begins without them. */
export const nothingLearned = {
  failures: [],
  evidence: [],
  failuresInGeneration: 0,
  provenInGeneration: false,
  outsideFaults: [],
  externalFaults: 0,
  held: false,
  misconfigured: false,
  preempted: [],
  ownRestarts: [],
} as const satisfies Partial<AgentState>;

export function initialAgent(policy: AgentPolicy, stoppedBy: AgentState["stoppedBy"] = null): AgentState {
  return {
    policy,
    standIn: null,
    goingBack: null,
    declared: true,
    phase: "stopped",
    stoppedBy,
    run: null,
    startingRun: null,
    endedRun: null,
    strays: [],
    afterStop: null,
    failedStops: 0,
    restartAt: null,
    turnSince: null,
    incident: null,
    ...nothingLearned,
    waitsFor: null,
    lacking: {},
    reached: {},
    awaitsWord: false,
    ...nothingSeen,
  };
}

/** What a run, a switch or a boot makes of a stop behind our back: it is over. A person's stop is not. */
export function unlessByPerson(stoppedBy: AgentState["stoppedBy"]): AgentState["stoppedBy"] {
  return stoppedBy === "person" ? "person" : null;
}
