import type { AgentManifest } from "@daruma/config";

/** The part of an agent's manifest that judgement needs; commands and environments stay out of the journal. */
export type AgentPolicy = Pick<
  AgentManifest,
  | "digest"
  | "startupMs"
  | "health"
  | "heartbeat"
  | "progress"
  | "resources"
  | "dependencies"
  | "restart"
  | "limits"
  | "stop"
  | "escalate"
  | "required"
> & {
  /** Digest of the agent with its fallback settings; left out where it has none. */
  readonly fallback?: string;
};

/** Where other settings than the declared ones come from. */
export type StandInKind = "fallback" | "earlier";

/** Settings that an agent runs with in place of those that its generation declares. */
export interface StandIn {
  /** `fallback`: declared for this case by the generation itself; `earlier`: those of a known-good generation. */
  readonly kind: StandInKind;
  /** Store path and number of the generation that has them. */
  readonly generation: string;
  readonly number: number | null;
  /** What is declared: in force again once a deploy changes it, or a person wants it. */
  readonly declared: AgentPolicy;
  /** What had stood in before, since the declared settings were in force. */
  readonly before: readonly StandInKind[];
}

/** An agent's earlier settings, on their way: their closure is being verified. */
export interface GoingBack {
  readonly id: string;
  readonly generation: string;
  readonly number: number | null;
}
