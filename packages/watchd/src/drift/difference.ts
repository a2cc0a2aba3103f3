/*
 * What differs between a machine and its declaration, in words that hold no secrets: entries of the ledger are made of them, and
 * those cannot be taken back.
 */

/**
 * - `system`: what runs is not what boots next
 * - `etc`: a file in /etc is not the generation's
 * - `unit`: a file outside the generation changes one of its units
 * - `state`: a unit of ours is not up, or systemd has loaded another definition of it than is declared
 * - `store`: a store path is not what its hash says
 * - `process`: an agent runs another command line, or as another user
 * - `wall`: the kernel's rules around agents were others for a moment
 */
export const driftKinds = ["system", "etc", "unit", "state", "store", "process", "wall"] as const;
export type DriftKind = (typeof driftKinds)[number];

export interface Difference {
  readonly kind: DriftKind;
  /** Path of a file, or the name of a unit or an agent. */
  readonly at: string;
  /** Short lines; empty where nothing is declared. */
  readonly declared: readonly string[];
  readonly observed: readonly string[];
  readonly remedy: Remedy;
}

/** What puts a difference right. What was a person's is set aside, never deleted. */
export type Remedy =
  /** The same generation is switched to again; what stands at `setAside` is moved out of the way first. */
  | { readonly kind: "switch"; readonly setAside: string | null }
  /** The file is moved out of the way, and the units that it changed begin anew. */
  | { readonly kind: "remove"; readonly path: string; readonly units: readonly string[] }
  | { readonly kind: "start"; readonly unit: string }
  /** systemd reads the units again. */
  | { readonly kind: "reload" }
  | { readonly kind: "restart"; readonly agent: string; readonly runId: string }
  /** The path is fetched or built again, and the agents that have been started from it begin anew. */
  | { readonly kind: "repair"; readonly path: string; readonly agents: readonly string[] }
  /** Whoever watches it has put it right already. */
  | { readonly kind: "done"; readonly by: string }
  | { readonly kind: "none"; readonly why: string };

/** Names what differs, whatever it differs in. */
export function keyOf({ kind, at }: Pick<Difference, "kind" | "at">): string {
  return `${kind} ${at}`;
}

/** What would be done, as the end of a sentence. */
export function describeRemedy(remedy: Remedy): string {
  switch (remedy.kind) {
    case "switch":
      return remedy.setAside === null
        ? "switch to the same generation again"
        : "set it aside and switch to the same generation again";
    case "remove":
      return remedy.units.length === 0
        ? "set it aside and have systemd read its units again"
        : `set it aside and restart ${remedy.units.join(", ")}`;
    case "start":
      return `start ${remedy.unit}`;
    case "reload":
      return "have systemd read its units again";
    case "restart":
      return `restart the agent ${remedy.agent}`;
    case "repair":
      return remedy.agents.length === 0
        ? "repair the store path"
        : `repair the store path and restart ${remedy.agents.join(", ")}`;
    case "done":
      return `none: ${remedy.by} has put it right`;
    case "none":
      return `nothing: ${remedy.why}`;
  }
}

/** Whether there is anything to be done. */
export function isCorrectable({ remedy }: Pick<Difference, "remedy">): boolean {
  return remedy.kind !== "none" && remedy.kind !== "done";
}

/** Whether a path is, or is below, one that a person has declared as theirs. */
export function isIgnored(path: string, ignore: readonly string[]): boolean {
  return ignore.some((each) => {
    const own = each.replace(/\/+$/, "");
    return path === own || path.startsWith(`${own}/`);
  });
}

/**
 * Without what is at paths that are a person's; differences of units and agents that are no files have none. A switch writes all of
 * /etc: as long as one would replace what is a person's, none is made for others' sake.
 */
export function withoutIgnored(
  differences: readonly Difference[],
  ignore: readonly string[],
): readonly Difference[] {
  const theirs = differences.find(({ at, remedy }) => remedy.kind === "switch" && isIgnored(at, ignore));
  return differences
    .filter(({ at }) => !isIgnored(at, ignore))
    .map((difference) => {
      if (theirs === undefined || difference.remedy.kind !== "switch") return difference;
      const why = `a switch would replace ${theirs.at} too, which is a person's own`;
      return { ...difference, remedy: { kind: "none", why } };
    });
}
