import type { DriftPolicy } from "@daruma/config";
import type { CurrentGeneration } from "../ports.ts";
import { diffLines } from "./diff.ts";
import { type DriftKind, describeRemedy, isCorrectable } from "./difference.ts";
import type { DriftState } from "./judge.ts";
import type { Seen } from "./machine.ts";
import type { StoreProgress } from "./store-watch.ts";

/** `GET /v1/drift` */
export interface DriftReport {
  readonly schemaVersion: 1;
  readonly generation: { readonly number: number; readonly path: string };
  readonly policy: DriftPolicy["policy"];
  /** RFC 3339. */
  readonly lookedAt: string | null;
  readonly differences: readonly {
    readonly kind: DriftKind;
    readonly at: string;
    readonly since: string;
    /** As `diff` prints it: `- ` declared, `+ ` observed. */
    readonly diff: readonly string[];
    readonly remedy: string;
    readonly correctable: boolean;
    /** How often it has been put right within the policy's window. */
    readonly corrections: number;
    readonly held: boolean;
  }[];
  /** What could not be looked at: of these it is not known whether anything differs. */
  readonly unseen: readonly { readonly kind: DriftKind; readonly why: string }[];
  /** What there is not to look at. */
  readonly notes: readonly string[];
  readonly store: StoreProgress;
}

export function reportOf(input: {
  readonly current: CurrentGeneration;
  readonly policy: DriftPolicy;
  readonly state: DriftState;
  readonly seen: Seen;
  readonly lookedAt: number | null;
  readonly store: StoreProgress;
}): DriftReport {
  const { current, policy, state, seen, lookedAt, store } = input;
  const present = Object.values(state.known).filter((known) => known.seen > 0);
  return {
    schemaVersion: 1,
    generation: { number: current.number, path: current.path },
    policy: policy.policy,
    lookedAt: lookedAt === null ? null : new Date(lookedAt).toISOString(),
    differences: present.map(({ difference, since, tries, held }) => ({
      kind: difference.kind,
      at: difference.at,
      since: new Date(since).toISOString(),
      diff: diffLines(difference.declared, difference.observed),
      remedy: describeRemedy(difference.remedy),
      correctable: isCorrectable(difference),
      corrections: tries.length,
      held,
    })),
    unseen: [...seen.unseen].map(([kind, why]) => ({ kind, why })),
    notes: seen.notes,
    store,
  };
}
