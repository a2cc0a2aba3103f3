import { access } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { type DarumaError, type ExitCode, exitCode, isDarumaError } from "@daruma/base";
import type { Fleet } from "@daruma/config";
import type { Context } from "../cli/command.ts";
import { compileErrors, loadFleet } from "../compile/index.ts";
import { diffFleets } from "../diff/diff.ts";
import { hasChanges } from "../diff/document.ts";
import { atRevision, type Revision } from "../diff/revision.ts";
import { sourcesOf } from "../diff/sources.ts";
import { describeDiff } from "../diff/words.ts";

export interface DiffInput {
  readonly args: { readonly REF: string | undefined };
  readonly options: { readonly config: string; readonly "exit-code": boolean };
}

export async function diff(context: Context, { args, options }: DiffInput): Promise<ExitCode> {
  const { cwd, interrupt, output } = context;
  const configFile = resolve(cwd, options.config);
  const ref = args.REF ?? "HEAD";
  const after = await loadFleet({ configFile, signal: interrupt });
  const { commit, found } = await atRevision(configFile, ref, interrupt, async (revision) => {
    await access(revision.configFile).catch((cause: unknown) => {
      throw compileErrors.make("COMPILE_E_REVISION", `there is no ${options.config} at ${ref}`, { cause });
    });
    const before = await loadFleet({ configFile: revision.configFile, signal: interrupt }).catch(
      (error: unknown) => {
        if (!isDarumaError(error)) throw error;
        throw wrongThen(error, ref, (file) => {
          const inside = relative(dirname(revision.configFile), resolve(cwd, file));
          return inside.startsWith("..") ? file : `${ref}:${join(dirname(options.config), inside)}`;
        });
      },
    );
    const notes = notesOn(revision, before, after);
    const { sourceState } = revision;
    return { commit: revision.commit, found: diffFleets(before, after, { sourceState, notes }) };
  });
  const changes = hasChanges(found);
  await output.result({ schemaVersion: 1, from: { ref, commit }, changes, ...found }, () =>
    changes ? describeDiff(found) : [`a deploy would change nothing since ${ref} (${commit})`],
  );
  return changes && options["exit-code"] ? exitCode.error : exitCode.ok;
}

/** What is wrong with the fleet as it was, said of the commit and not of the copy that is looked at. */
function wrongThen(error: DarumaError, ref: string, nameOf: (file: string) => string): DarumaError {
  const problems = error.problems.map(({ place, ...problem }) => ({
    ...problem,
    ...(place !== undefined && { place: { ...place, file: nameOf(place.file) } }),
  }));
  return compileErrors.make("COMPILE_E_REVISION", `the fleet of ${ref} is wrong: ${error.message}`, {
    ...(error.where !== undefined && { where: nameOf(error.where) }),
    problems,
    cause: error,
  });
}

function notesOn(revision: Revision, before: Fleet, after: Fleet): string[] {
  const lock = revision.changed("flake.lock")
    ? [
        "flake.lock changes: packages, NixOS and Daruma may be others, and every unit that uses them is restarted",
      ]
    : [];
  const unknown = directoriesOf(after).filter(
    (directory) =>
      directoriesOf(before).includes(directory) && revision.sourceState(directory, directory) === "unknown",
  );
  const outside = unknown.map(
    (directory) => `whether the code in ${directory} changed is not known: Git does not have it`,
  );
  return [...lock, ...outside];
}

function directoriesOf(fleet: Fleet): string[] {
  return [
    ...new Set(
      Object.values(fleet.hosts).flatMap(({ agents, routines }) =>
        [...Object.values(agents), ...Object.values(routines)].flatMap(sourcesOf),
      ),
    ),
  ];
}
