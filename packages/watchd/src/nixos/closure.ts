import { run } from "../commands.ts";

export interface VerifyOptions {
  /** For the whole closure: some GiB are read. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Arguments of one call; far below the limit of the kernel on their length. */
const pathsPerCall = 1_000;
/** A broken disk breaks much; what is told is enough to act on. */
const mostProblems = 10;
const longestProblem = 400;

/** Everything that is wrong with `path` and what it needs, by the hashes in Nix' database; empty if nothing is. */
export async function closureProblems(path: string, options: VerifyOptions): Promise<string[]> {
  const endsAt = performance.now() + options.timeoutMs;
  const nixStore = (args: readonly string[]) =>
    run("nix-store", args, { ...options, timeoutMs: Math.max(1, Math.round(endsAt - performance.now())) });
  const query = await nixStore(["-qR", path]);
  if (!query.ok) return told(query.stderr, query.problem);
  const paths = query.stdout.split("\n").filter((line) => line !== "");
  const problems: string[] = [];
  for (let at = 0; at < paths.length && problems.length < mostProblems; at += pathsPerCall) {
    const verified = await nixStore(["--verify-path", ...paths.slice(at, at + pathsPerCall)]);
    if (!verified.ok) problems.push(...told(verified.stderr, verified.problem));
  }
  return problems.slice(0, mostProblems);
}

/** What Nix says of each path, or else how it ended. */
function told(stderr: string, problem: string): string[] {
  const lines = stderr.split("\n").filter((line) => line.startsWith("path ") || line.startsWith("error:"));
  return lines.length === 0 ? [problem] : lines.map((line) => line.slice(0, longestProblem));
}
