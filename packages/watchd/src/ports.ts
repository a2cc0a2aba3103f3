/**
 * What the watchdog needs of the world. `agentctl dev` answers with child processes and a directory, a host with systemd
 * and the system profile; the core and the supervisor know neither.
 */
import type { AgentManifest, BodyPolicy, HostManifest, StopPolicy } from "@daruma/config";

/** A run that is alive. `runId` names it for good: pids come back, run ids never do. */
export interface Run {
  readonly agent: string;
  readonly runId: string;
  /** Digest of the definition it was started with; tells whether it is still the one that is wanted. */
  readonly digest: string;
  readonly pid: number;
  /** Unix time in milliseconds. */
  readonly startedAt: number;
}

export type ExitCause =
  | { readonly kind: "exit"; readonly code: number }
  | {
      readonly kind: "signal";
      readonly signal: string;
      /** The kernel has written its memory to a file, or would have, had it been allowed to (core(5)). */
      readonly core?: true;
      /** Missing where it cannot be told, which is the rule. `systemd`: it was too slow for one of the unit's own time limits. */
      readonly sentBy?: "oom-killer" | "systemd";
    }
  /** systemd has ended it, because the heartbeats that it was to send there had stopped. */
  | { readonly kind: "watchdog" }
  /** Somebody else had it stopped through the service manager: a person, or a switch that was under way then. */
  | { readonly kind: "stopped"; readonly inSwitch: boolean }
  /** Nobody saw it: the run was adopted from an earlier watchd, or what would have told is lost. */
  | { readonly kind: "unknown" };

export interface RunExit {
  readonly agent: string;
  readonly runId: string;
  readonly cause: ExitCause;
  /** Monotonic instant at which it ended, as near as can be told; it may be heard of much later. */
  readonly at: number;
}

export interface StartRequest {
  readonly agent: string;
  readonly runId: string;
  readonly manifest: AgentManifest;
}

export interface ServiceManager {
  /**
   * Every run that is alive: the truth, to which exits are only hints. Runs that an earlier watchd started are in it
   * (and are watched from then on).
   */
  list(): Promise<readonly Run[]>;
  /** Resolves once the process exists. Rejects with an AGENT_E_* error; then nothing was left running. */
  start(request: StartRequest): Promise<Run>;
  /** Resolves once nothing of the run is left; a run that is gone already is no error. */
  stop(runId: string, policy: StopPolicy): Promise<{ readonly forced: boolean }>;
  /** Called once for each run that ends, stopped or not, as soon as it is seen. */
  onExit(listener: (exit: RunExit) => void): void;
  /** Called once for each run that somebody else has asked to stop, while it still runs. */
  onAsked(listener: (run: Pick<Run, "agent" | "runId">) => void): void;
  /** Called when there may be a run that nobody here has started: a hint to list. */
  onFound(listener: () => void): void;
  /** The agents that a person has stopped: kept on disk, so that they stay stopped across switches and reboots. */
  stopped(): Promise<ReadonlySet<string>>;
  /** Durable. Stops and starts nothing by itself. */
  setStopped(agent: string, stopped: boolean): Promise<void>;
  /** What the runs asked for use, as far as they are alive. */
  usage(runIds: readonly string[]): Promise<ReadonlyMap<string, Usage>>;
  /** Stops watching. Agents keep running. */
  close(): Promise<void>;
}

/** What all processes of a run use together; null for what cannot be told here. */
export interface Usage {
  readonly memoryBytes: number | null;
  /** Processor time since the run began. */
  readonly cpuMs: number | null;
  readonly openFiles: number | null;
  /** Processes and threads. */
  readonly tasks: number | null;
  /** Read from and written to disks since the run began. */
  readonly ioBytes: number | null;
}

export interface GenerationInfo {
  readonly number: number;
  /** Store path: what a generation is. Several numbers may share one. */
  readonly path: string;
  /** Unix time in milliseconds. */
  readonly createdAt: number;
  readonly current: boolean;
}

/** A generation that every required agent of it has proven, newest promotion first. */
export interface KnownGood {
  readonly path: string;
  readonly number: number | null;
  readonly hostDigest: string;
  /** Agent name -> digest. */
  readonly digests: Readonly<Record<string, string>>;
  /** Unix time in milliseconds. */
  readonly promotedAt: number;
}

export interface CurrentGeneration {
  readonly number: number;
  readonly path: string;
  readonly manifest: HostManifest;
}

/** Why and from where a switch is made. */
export interface SwitchOrder {
  /** Names the switch for good: asked for once more under the same id, an interrupted one goes on. */
  readonly id: string;
  /** Store path that is left. If neither it nor the target is current any more, nothing is switched. */
  readonly from: string;
}

export type Verdict = { readonly ok: true } | { readonly ok: false; readonly problems: readonly string[] };

export interface Generations {
  /** `null` before the first deploy. */
  current(): Promise<CurrentGeneration | null>;
  list(): Promise<readonly GenerationInfo[]>;
  /** What the generation `path` declares. Rejects with GENERATION_E_* or CONFIG_E_MANIFEST* if that cannot be read. */
  manifestOf(path: string): Promise<HostManifest>;
  /** Newest promotion first. Entries whose files are gone are left out. */
  knownGood(): Promise<readonly KnownGood[]>;
  /** Hashes everything in the closure against what it should be. */
  verifyClosure(path: string): Promise<Verdict>;
  /** Roots the closure so that garbage collection cannot take it; the newest three stay rooted. Idempotent. */
  markKnownGood(path: string, promotedAt: number): Promise<void>;
  /**
   * Makes `path` the current generation (boot and now). Durable, idempotent, safe to repeat after a crash at any
   * point; never "the previous one", always this one. Ok only if `path` is current afterwards. Without an order,
   * whatever is current is left. An order from `path` itself makes anew what others have changed since.
   */
  switchTo(path: string, order?: SwitchOrder): Promise<Verdict>;
  /**
   * Whether a switch is under way, whoever began it. Until it ends the service manager may have the agents of either
   * generation, so that what runs is no evidence of anything.
   */
  switching(): Promise<boolean>;
  /** Called after the current generation may have changed, and when a switch has ended: a hint to ask again. */
  onSwitch(listener: () => void): void;
  close(): Promise<void>;
}

export type ProbeOutcome =
  | { readonly ok: true; readonly latencyMs: number }
  | {
      readonly ok: false;
      readonly latencyMs: number;
      readonly reason: string;
      /** Named by the agent itself as what it waits for: the fault is outside. */
      readonly dependency?: string;
    };

export interface Prober {
  /** Never rejects: whatever goes wrong is the outcome. Gives up after `withinMs`. */
  probe(health: {
    readonly url: string;
    readonly status: number;
    readonly withinMs: number;
    readonly body?: BodyPolicy | null;
  }): Promise<ProbeOutcome>;
}

/** An instant on two clocks: `mono` (ms since boot, never stepped) for intervals, `wall` (Unix ms) for labels only. */
export interface Instant {
  readonly mono: number;
  readonly wall: number;
}

export interface Clock {
  now(): Instant;
  /** Changes with each boot: `mono` of one boot means nothing in another. */
  readonly bootId: string;
}
