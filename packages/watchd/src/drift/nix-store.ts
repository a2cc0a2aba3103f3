import { type Ended, run } from "../commands.ts";
import type { StorePath } from "./pace.ts";
import type { StoreTools } from "./store-watch.ts";

export interface NixStoreOptions {
  readonly signal: AbortSignal;
  /** What runs nix-store where it is to disturb nobody: words that come before it. */
  readonly gently?: readonly string[];
}

/** Far below the kernel's limit on arguments. */
const pathsPerCall = 1_000;
const listWithinMs = 120_000;
/** For one batch, read at the lowest priority. */
const verifyWithinMs = 3_600_000;
const repairWithinMs = 1_800_000;
const longestProblem = 300;

/** A service of systemd with what is left of the processor and the disk, and never more than half a processor. */
export const gentlyBySystemd: readonly string[] = [
  "systemd-run",
  ...["--quiet", "--collect", "--pipe", "--wait", "--no-ask-password", "--service-type=exec"],
  ...["--property=Nice=19", "--property=IOSchedulingClass=idle", "--property=CPUQuota=50%"],
  "--property=RuntimeMaxSec=3600",
  "--description=Daruma: verifies store paths",
];

/** nix-store of PATH. */
export function nixStore({ signal, gently = [] }: NixStoreOptions): StoreTools & {
  /** Fetches or builds the path again. What went wrong, or null. */
  repair(path: string): Promise<string | null>;
} {
  const call = (words: readonly string[], timeoutMs: number): Promise<Ended> => {
    const [program = "nix-store", ...args] = words;
    return run(program, args, { timeoutMs, signal });
  };
  const ask = async (args: readonly string[]) => {
    const ended = await call(["nix-store", ...args], listWithinMs);
    if (!ended.ok) throw new Error(saidOf(ended));
    return linesOf(ended.stdout);
  };
  const verify = (paths: readonly string[]) =>
    call([...gently, "nix-store", "--verify-path", ...paths], verifyWithinMs);
  return {
    async list(roots) {
      const paths = [...new Set(await ask(["--query", "--requisites", ...roots]))].sort();
      const found: StorePath[] = [];
      for (let at = 0; at < paths.length; at += pathsPerCall) {
        const some = paths.slice(at, at + pathsPerCall);
        const sizes = await ask(["--query", "--size", ...some]);
        if (sizes.length !== some.length) throw new Error("nix-store told sizes of other paths");
        found.push(...some.map((path, index) => ({ path, bytes: Number(sizes[index]) })));
      }
      return found;
    },
    async verify(paths) {
      const ended = await verify(paths);
      if (ended.ok) return new Map();
      const modified = modifiedPaths(ended.stderr);
      if (modified.size > 0 && !/^error:/m.test(ended.stderr)) return modified;
      // One that is missing ends the whole call: then each has to be asked about.
      const problems = new Map<string, string>();
      for (const path of paths) {
        const alone = await verify([path]);
        if (alone.ok) continue;
        const [problem] = [...modifiedPaths(alone.stderr).values(), errorAbout(path, alone.stderr)];
        if (problem === undefined || problem === null) throw new Error(saidOf(alone));
        problems.set(path, problem);
      }
      return problems;
    },
    async repair(path) {
      const ended = await call(["nix-store", "--repair-path", path], repairWithinMs);
      return ended.ok ? null : `${path}: ${saidOf(ended)}`;
    },
  };
}

/** Lines such as `path '/nix/store/…' was modified! expected hash 'sha256:…', got 'sha256:…'`. */
export function modifiedPaths(stderr: string): ReadonlyMap<string, string> {
  const found = [...stderr.matchAll(/^path '([^']+)' (was modified!.*)$/gm)];
  return new Map(found.map(([, path = "", problem = ""]) => [path, problem.slice(0, longestProblem)]));
}

/** An error that names the path is about it; any other says nothing of it. */
function errorAbout(path: string, stderr: string): string | null {
  const line = stderr.split("\n").find((each) => each.includes("error:") && each.includes(path));
  return line === undefined ? null : line.trim().slice(0, longestProblem);
}

function saidOf({ stderr, problem }: Ended): string {
  const error = linesOf(stderr).find((line) => line.includes("error:"));
  return [problem, error?.trim()]
    .filter((text) => text !== undefined)
    .join(": ")
    .slice(0, 2 * longestProblem);
}

function linesOf(text: string): readonly string[] {
  return text.split("\n").filter((line) => line !== "");
}
