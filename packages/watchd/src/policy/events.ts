import type { JsonValue } from "@daruma/base";
import type { AgentManifest, HealthPolicy, StopPolicy } from "@daruma/config";
import type { CurrentGeneration, ExitCause, KnownGood, ProbeOutcome, Run, Usage } from "../ports.ts";
import type { StandIn } from "./state.ts";

/** What the core is told. Everything else it knows is in its state. */
export type Event =
  /** watchd has come up with the state of an earlier one (or a new one); `bootId` tells whether the machine rebooted. */
  | { readonly type: "boot"; readonly bootId: string }
  | {
      readonly type: "generation";
      readonly current: CurrentGeneration;
      readonly knownGood: readonly KnownGood[];
    }
  /** Everything that is alive, as listed at the monotonic instant `takenAt` or later, and what a person has stopped. */
  | {
      readonly type: "runs";
      readonly runs: readonly Run[];
      readonly stopped: readonly string[];
      readonly takenAt: number;
    }
  /** What is alive could not be listed, for want of an answer. */
  | { readonly type: "runs-unseen" }
  | { readonly type: "started"; readonly run: Run }
  | {
      readonly type: "start-failed";
      readonly agent: string;
      readonly runId: string;
      readonly code: string;
      readonly message: string;
    }
  /** The run has ended, at the monotonic instant `at`, which may be long ago. */
  | {
      readonly type: "exited";
      readonly agent: string;
      readonly runId: string;
      readonly cause: ExitCause;
      readonly at: number;
    }
  /** Somebody else has asked the run to stop: from now on it proves nothing and fails in nothing. */
  | { readonly type: "stop-asked"; readonly agent: string; readonly runId: string }
  | { readonly type: "stopped"; readonly agent: string; readonly runId: string; readonly forced: boolean }
  | { readonly type: "stop-failed"; readonly agent: string; readonly runId: string; readonly message: string }
  | {
      readonly type: "probed";
      readonly agent: string;
      readonly runId: string;
      readonly outcome: ProbeOutcome;
    }
  /** The agent has said something through its own socket, whatever it was. */
  | { readonly type: "beat"; readonly agent: string; readonly runId: string }
  /** The agent wants to be restarted. */
  | { readonly type: "restart-asked"; readonly agent: string; readonly runId: string }
  | UsageEvent
  /** The agent has nothing to do for so long; 0: it has again. */
  | { readonly type: "idle"; readonly agent: string; readonly runId: string; readonly forMs: number }
  /** The agent tells the counter of its work. */
  | { readonly type: "progress"; readonly agent: string; readonly runId: string; readonly count: number }
  | DependenciesEvent
  /** What runs is not what is declared, whatever made it so: it is to begin anew. */
  | { readonly type: "replace-asked"; readonly agent: string; readonly runId: string; readonly why: string }
  | { readonly type: "closure-verified"; readonly path: string; readonly problems: readonly string[] }
  /** Nobody knows whether it is damaged. */
  | { readonly type: "closure-unread"; readonly path: string; readonly message: string }
  | { readonly type: "promoted"; readonly path: string; readonly knownGood: readonly KnownGood[] }
  | { readonly type: "promotion-failed"; readonly path: string; readonly message: string }
  /** The target's closure is broken: it can never be a target again. */
  | { readonly type: "rollback-refused"; readonly id: string; readonly problems: readonly string[] }
  | { readonly type: "rollback-failed"; readonly id: string; readonly problems: readonly string[] }
  /** The command has ended, and what is current since has been told by a `generation` event before this one. */
  | { readonly type: "rollback-done"; readonly id: string }
  /** An agent's earlier settings are there and their closure is what it should be. */
  | {
      readonly type: "earlier-found";
      readonly agent: string;
      readonly id: string;
      readonly manifest: AgentManifest;
    }
  /** They are not to be had: `damaged` if the generation that has them can never be a target again. */
  | {
      readonly type: "earlier-refused";
      readonly agent: string;
      readonly id: string;
      readonly damaged: boolean;
      readonly problems: readonly string[];
    }
  | {
      readonly type: "operator-rollback";
      readonly target: string;
      readonly targetNumber: number | null;
    }
  | { readonly type: "operator-allow"; readonly path: string }
  /** A person wants the agent to run again, however it came to be stopped. */
  | { readonly type: "operator-start"; readonly agent: string }
  /** The Node-free program has left the generation `from` because watchd could not stay up in it (failed.sh). */
  | {
      readonly type: "left-without-watchd";
      readonly from: string;
      readonly number: number;
      readonly incident: string;
    }
  /** Whether the ledger takes entries. */
  | { readonly type: "ledger"; readonly reachable: boolean }
  /** What egressd finds down for several agents: agent -> target, for all of them. */
  | { readonly type: "upstreams"; readonly down: Readonly<Record<string, string>> }
  | { readonly type: "drain" }
  | { readonly type: "tick" };

/** What runs use, as measured at the monotonic instant `at`. */
export interface UsageEvent {
  readonly type: "usage";
  readonly at: number;
  readonly runs: readonly { readonly agent: string; readonly runId: string; readonly usage: Usage }[];
}

/** Whether what agents declare to need is reached, as asked at the monotonic instant `at`. */
export interface DependenciesEvent {
  readonly type: "dependencies";
  readonly at: number;
  readonly found: readonly {
    readonly agent: string;
    readonly dependency: string;
    /** Why it is not reached; null if it is. */
    readonly problem: string | null;
  }[];
}

/** What the core asks for. Each is carried out once, and exactly one event tells its end to the watchd that asked. */
export type Command =
  | {
      readonly type: "start";
      readonly agent: string;
      readonly runId: string;
      readonly digest: string;
      /** What it is started with, where that is not what the generation declares. */
      readonly standIn?: Pick<StandIn, "kind" | "generation">;
    }
  | { readonly type: "stop"; readonly agent: string; readonly runId: string; readonly policy: StopPolicy }
  | { readonly type: "probe"; readonly agent: string; readonly runId: string; readonly health: HealthPolicy }
  | { readonly type: "verify-closure"; readonly path: string }
  /** Verify the closure of `generation`, then find what it has of the agent. */
  | {
      readonly type: "find-earlier";
      readonly agent: string;
      readonly id: string;
      readonly generation: string;
    }
  | { readonly type: "promote"; readonly path: string; readonly promotedAt: number }
  /**
   * Verify the target's closure, then switch to it if `from` is still current; where somebody has switched elsewhere
   * meanwhile, leave it at that. Ends with `rollback-refused`, with `rollback-failed`, or with a `generation` event that
   * tells what is current now and then `rollback-done`.
   */
  | { readonly type: "rollback"; readonly id: string; readonly from: string; readonly target: string };

export type Severity = "info" | "warning" | "critical";

/** One ledger entry to be. `at` is when it happened; the ledger adds when it was recorded. */
export interface LedgerRecord {
  readonly action: string;
  readonly subject: string;
  readonly incident?: string;
  readonly run?: string;
  readonly at: number;
  readonly severity: Severity;
  readonly details: { readonly [key: string]: JsonValue };
}
