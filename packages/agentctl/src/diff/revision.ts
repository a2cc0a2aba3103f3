import { copyFile, mkdir, mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { messageOf } from "@daruma/base";
import { execa } from "execa";
import { compileErrors } from "../compile/index.ts";
import type { SourceState } from "./sources.ts";

/** A fleet's repository at an earlier commit, and as it is now. */
export interface Revision {
  /** The fleet file as it was then, in a copy of the repository. */
  readonly configFile: string;
  /** The commit, shortened. */
  readonly commit: string;
  /** Compares directories by what Git would take of them: what it ignores does not get into a flake either. */
  readonly sourceState: (before: string, after: string) => SourceState;
  /** Whether a file of the repository's root is another one now. */
  readonly changed: (path: string) => boolean;
}

/**
 * Has `use` look at the repository around a fleet file as it was at `ref`. Nothing of the repository is changed: copy, index
 * and new objects are in a temporary directory, which is gone afterwards.
 *
 * @param configFile absolute
 * @throws COMPILE_E_REVISION without Git or a repository, or when `ref` or the fleet file at it is not there
 */
export async function atRevision<T>(
  configFile: string,
  ref: string,
  signal: AbortSignal,
  use: (revision: Revision) => Promise<T>,
): Promise<T> {
  const directory = await realpath(dirname(configFile)).catch(() => dirname(configFile));
  const scratch = await mkdtemp(join(tmpdir(), "daruma-diff-"));
  try {
    const root = await git(directory, ["rev-parse", "--show-toplevel"], {}, signal);
    const commit = await git(
      root,
      ["rev-parse", "--verify", "--end-of-options", `${ref}^{commit}`],
      {},
      signal,
    );
    const tree = await checkOut(root, commit, scratch, signal);
    const [before, after] = [
      await treesOf(root, commit, {}, signal),
      await workingTrees(root, scratch, signal),
    ];
    const base = relative(root, directory);
    return await use({
      configFile: join(tree, base, relative(dirname(configFile), configFile)),
      commit: commit.slice(0, 12),
      changed: (path) => before.get(path) !== after.get(path),
      sourceState: (old, now) => {
        const [was, is] = [before.get(inside(root, base, old)), after.get(inside(root, base, now))];
        if (was === undefined || is === undefined) return "unknown";
        return was === is ? "same" : "changed";
      },
    });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** The path of a source's directory in the repository, as Git lists it. */
function inside(root: string, base: string, directory: string): string {
  return relative(root, resolve(root, base, directory)) || ".";
}

type Environment = Readonly<Record<string, string>>;

async function checkOut(root: string, commit: string, scratch: string, signal: AbortSignal): Promise<string> {
  const index = { GIT_INDEX_FILE: join(scratch, "index-then") };
  const tree = join(scratch, "tree");
  await git(root, ["read-tree", commit], index, signal);
  await git(root, ["checkout-index", "--all", `--prefix=${tree}/`], index, signal);
  return tree;
}

/** The working tree as Git would commit it with everything added, without adding anything to the repository. */
async function workingTrees(root: string, scratch: string, signal: AbortSignal) {
  const objects = join(scratch, "objects");
  await mkdir(objects);
  const now: Environment = {
    GIT_INDEX_FILE: join(scratch, "index-now"),
    GIT_OBJECT_DIRECTORY: objects,
    GIT_ALTERNATE_OBJECT_DIRECTORIES: await git(
      root,
      ["rev-parse", "--path-format=absolute", "--git-path", "objects"],
      {},
      signal,
    ),
  };
  // With the index of the repository Git knows which files it need not read again.
  const index = await git(root, ["rev-parse", "--path-format=absolute", "--git-path", "index"], {}, signal);
  await copyFile(index, join(scratch, "index-now")).catch(() => undefined);
  await git(root, ["add", "--all"], now, signal);
  return treesOf(root, await git(root, ["write-tree"], now, signal), now, signal);
}

/** The object of every path of a commit or tree, directories included. */
async function treesOf(root: string, tree: string, environment: Environment, signal: AbortSignal) {
  const listed = await git(root, ["ls-tree", "-r", "-t", "-z", "--full-tree", tree], environment, signal);
  const entries = listed.split("\0").filter((each) => each !== "");
  const whole = await git(root, ["rev-parse", `${tree}^{tree}`], environment, signal);
  return new Map([
    [".", whole],
    ...entries.map((entry): [string, string] => {
      const tab = entry.indexOf("\t");
      return [entry.slice(tab + 1), entry.slice(0, tab)];
    }),
  ]);
}

async function git(
  cwd: string,
  args: readonly string[],
  environment: Environment,
  signal: AbortSignal,
): Promise<string> {
  try {
    const { stdout } = await execa("git", args, {
      cwd,
      env: environment,
      cancelSignal: signal,
      maxBuffer: 1 << 30,
    });
    return stdout;
  } catch (error) {
    signal.throwIfAborted();
    const said = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : "";
    throw compileErrors.make("COMPILE_E_REVISION", said === "" ? messageOf(error) : said, {
      where: cwd,
      cause: error,
    });
  }
}
