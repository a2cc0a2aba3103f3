import { dirname } from "node:path";
import { type Ended, run } from "../commands.ts";

export interface VerifyOptions {
  /** For each call, which reads as much as `pathsPerCall` paths hold: a large closure on a slow disk may take its time. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

const pathsPerCall = 100;
/** A broken disk breaks much; what is told is enough to act on. */
const mostProblems = 10;
const longestProblem = 400;
const isDamage = /' was modified|' is not valid|' does not exist|': No such file or directory/;

/**
 * Everything that is wrong with `path` and what it needs, by the hashes in Nix' database; empty if nothing is.
 *
 * @throws if Nix does not get as far as to say: that it was killed, too slow or kept from its database is no damage
 */
export async function closureProblems(path: string, options: VerifyOptions): Promise<string[]> {
  const nixStore = (args: readonly string[]) => run("nix-store", args, options);
  const query = await nixStore(["-qR", path]);
  if (!query.ok) return damage(path, query);
  const paths = query.stdout.split("\n").filter((line) => line !== "");
  const problems: string[] = [];
  for (let at = 0; at < paths.length && problems.length < mostProblems; at += pathsPerCall) {
    const verified = await nixStore(["--verify-path", ...paths.slice(at, at + pathsPerCall)]);
    if (!verified.ok) problems.push(...damage(path, verified));
  }
  return problems.slice(0, mostProblems);
}

/** What Nix says is wrong with each path: its hash is another one, it is not valid, or it is not there. */
function damage(path: string, { stderr, problem }: Ended): string[] {
  const lines = stderr.split("\n").filter((line) => line.startsWith("path ") || line.startsWith("error:"));
  const ofPath = `'${dirname(path)}/`;
  const damaged = lines.filter((line) => line.includes(ofPath) && isDamage.test(line));
  if (damaged.length > 0) return damaged.map((line) => line.slice(0, longestProblem));
  throw new Error([problem, ...lines.map((line) => line.slice(0, longestProblem))].join(": "));
}
