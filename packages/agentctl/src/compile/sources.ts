import { lstat, realpath, stat } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { type DarumaError, messageOf, type Problem, systemCode } from "@daruma/base";
import { type AgentSpec, type Fleet, formatPath, type SourceReference, type Word } from "@daruma/config";
import { compileErrors } from "./catalogue.ts";

/** A `source()` of a fleet, and where in the fleet file it stands. */
export interface SourceUse {
  readonly path: string;
  readonly source: SourceReference;
  /** It is the program of an agent or a routine, and so has to be executable. */
  readonly isProgram: boolean;
}

type Program = Pick<AgentSpec, "command" | "environment">;

/** Every use of `source()`, in the order of the fleet. */
export function sourcesOf(fleet: Fleet): readonly SourceUse[] {
  return programsOf(fleet).flatMap(({ at, program }) => usesIn(program, at));
}

interface PlacedProgram {
  readonly at: readonly string[];
  readonly program: Program;
}

function programsOf(fleet: Fleet): PlacedProgram[] {
  return Object.entries(fleet.hosts).flatMap(([host, spec]) =>
    (["agents", "routines"] as const).flatMap((kind) =>
      Object.entries<Program>(spec[kind]).map(([name, program]) => ({
        at: ["hosts", host, kind, name],
        program,
      })),
    ),
  );
}

function usesIn({ command, environment }: Program, at: readonly string[]): SourceUse[] {
  return [
    ...command.flatMap((word, index) => useOf(word, [...at, "command", index], index === 0)),
    ...Object.entries(environment).flatMap(([name, word]) =>
      useOf(word, [...at, "environment", name], false),
    ),
  ];
}

function useOf(word: Word, path: readonly PropertyKey[], isProgram: boolean): SourceUse[] {
  if (typeof word === "string" || word.ref !== "source") return [];
  return [{ path: formatPath(path), source: word, isProgram }];
}

/**
 * Checks that every `source()` is there and can be deployed.
 *
 * @param configFile the fleet file, absolute.
 * @throws COMPILE_E_SOURCE with one problem for each source that is not.
 */
export async function checkSources(fleet: Fleet, configFile: string): Promise<void> {
  const problems = await sourceProblems(fleet, configFile);
  if (problems.length > 0) throw sourceError(problems, configFile);
}

export function sourceError(problems: readonly Problem[], configFile: string): DarumaError {
  const count = problems.length === 1 ? "a source" : `${problems.length} sources`;
  return compileErrors.make("COMPILE_E_SOURCE", `${count} cannot be deployed`, {
    where: configFile,
    problems,
  });
}

/**
 * What is wrong with the sources of a fleet, each with its path in the fleet.
 *
 * @param configFile the fleet file, absolute.
 */
export async function sourceProblems(fleet: Fleet, configFile: string): Promise<readonly Problem[]> {
  const checked = new Map<string, Promise<string | undefined>>();
  const problems: Problem[] = [];
  // The same object may be the agent of many hosts.
  const sound = new Set<Program>();
  for (const { at, program } of programsOf(fleet)) {
    if (sound.has(program)) continue;
    const before = problems.length;
    for (const { path, source, isProgram } of usesIn(program, at)) {
      const key = JSON.stringify([source.directory, source.file, isProgram]);
      const check = checked.get(key) ?? sourceProblem(source, isProgram, configFile);
      checked.set(key, check);
      const message = await check;
      if (message !== undefined) problems.push({ path, message });
    }
    if (problems.length === before) sound.add(program);
  }
  return problems;
}

async function sourceProblem(
  source: SourceReference,
  isProgram: boolean,
  configFile: string,
): Promise<string | undefined> {
  const directory = resolve(dirname(configFile), source.directory);
  try {
    return (
      (await directoryProblem(directory, configFile)) ??
      (await fileProblem(directory, source.file, isProgram))
    );
  } catch (error) {
    return `cannot be read: ${messageOf(error)}`;
  }
}

async function directoryProblem(directory: string, configFile: string): Promise<string | undefined> {
  const found = await lstat(directory).catch(absent);
  if (found === undefined) return `the directory ${directory} does not exist`;
  // Nix copies a link as a link, which leads nowhere in the store.
  if (found.isSymbolicLink()) return `${directory} is a symbolic link; name the directory that it leads to`;
  if (!found.isDirectory()) return `${directory} is not a directory`;
  if (!contains(directory, configFile)) return undefined;
  // Every change of the fleet would count as a change of the agent, and a rollback would be blamed on it.
  return `${directory} contains the fleet file; move the agent's code to a directory of its own`;
}

async function fileProblem(directory: string, file: string, isProgram: boolean): Promise<string | undefined> {
  const path = join(directory, file);
  const found = await stat(path).catch(absent);
  if (found === undefined) return `${path} does not exist`;
  if (!contains(await realpath(directory), await realpath(path))) return `${path} leads out of its directory`;
  if (!isProgram) return undefined;
  if (!found.isFile()) return `${path} is the program, but not a file`;
  return (found.mode & 0o111) === 0 ? `${path} is the program, but not executable` : undefined;
}

function contains(directory: string, path: string): boolean {
  const inside = relative(directory, path);
  return inside !== ".." && !inside.startsWith("../");
}

function absent(error: unknown): undefined {
  const code = systemCode(error);
  if (code === "ENOENT" || code === "ENOTDIR") return undefined;
  throw error;
}
