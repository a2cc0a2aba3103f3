import type { AgentSpec, RoutineSpec, SourceReference, Word } from "@daruma/config";

/** What became of a source's directory: `unknown` where it is not in the repository. */
export type SourceState = "same" | "changed" | "unknown";

type Program = AgentSpec | RoutineSpec;

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
export function sourcesOf(program: Program): string[] {
  const { command, environment } = program;
  const fallback = "fallback" in program ? program.fallback : undefined;
  return [command, environment, fallback?.command ?? [], fallback?.environment ?? {}]
    .flatMap((words): Word[] => Object.values(words))
    .filter((word): word is SourceReference => typeof word !== "string" && word.ref === "source")
    .map(({ directory }) => directory);
}
