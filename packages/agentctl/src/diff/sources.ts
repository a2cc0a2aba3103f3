import type { AgentSpec, RoutineSpec, SourceReference } from "@daruma/config";

/** What became of a source's directory: `unknown` where it is not in the repository. */
export type SourceState = "same" | "changed" | "unknown";

type Program = Pick<AgentSpec | RoutineSpec, "command" | "environment">;

/** Sources that are named as before and whose files changed. */
export function changedSources(
  before: Program,
  after: Program,
  sourceState: (before: string, after: string) => SourceState,
): string[] {
  const old = new Set(sourcesOf(before));
  return [...new Set(sourcesOf(after))]
    .filter((directory) => old.has(directory) && sourceState(directory, directory) === "changed")
    .map((directory) => `the code in ${directory}`);
}

/** The directories of a program's sources. */
export function sourcesOf({ command, environment }: Program): string[] {
  return [...command, ...Object.values(environment)]
    .filter((word): word is SourceReference => typeof word !== "string" && word.ref === "source")
    .map(({ directory }) => directory);
}
