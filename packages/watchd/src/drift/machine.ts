import type { CurrentGeneration, Run } from "../ports.ts";
import type { Difference, DriftKind } from "./difference.ts";
import type { StoreProgress } from "./store-watch.ts";

/** What a machine is to be, and what of it is known to watchd already. */
export interface Subject {
  readonly current: CurrentGeneration;
  readonly runs: ReadonlyMap<string, Run>;
}

export interface Seen {
  readonly differences: readonly Difference[];
  /** What could not be looked at, with the reason. */
  readonly unseen: ReadonlyMap<DriftKind, string>;
  /** What does not apply here at all, and why: for a person to know. */
  readonly notes: readonly string[];
  /** Directories in which a change is worth another look. */
  readonly directories: readonly string[];
}

/** What `correct` cannot do by itself. */
export interface Helpers {
  /** Begins the agent's run anew; resolves once another one is there, or after a bounded time with what is wrong. */
  restart(agent: string, runId: string | null): Promise<string | null>;
}

/** A machine as drift detection sees it: one that runs NixOS, or a developer's own. */
export interface Machine {
  look(subject: Subject): Promise<Seen>;
  /** Something in this directory has changed. */
  onHint(directory: string): void;
  /** Puts the differences right, as far as that goes; what went wrong on the way. Whether they are gone, `look` tells. */
  correct(differences: readonly Difference[], subject: Subject, helpers: Helpers): Promise<readonly string[]>;
  store(): Promise<StoreProgress>;
  close(): Promise<void>;
}
