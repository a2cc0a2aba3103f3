import { type Dirent, readdirSync, rmSync } from "node:fs";
import { chmod, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { systemCode } from "@daruma/base";
import type { Isolation } from "../agent-api/place.ts";

/*
 * Where the runs of routines have their files, below the state directory: `routines/NAME/RUN/` with `log` (not on a host, which
 * has a journal), `state/`, `checkpoint/` and `input`; `routines/NAME/inputs/REQUEST` holds an input until its run starts.
 */

/** How many runs of a routine that are over keep their files. */
export const keptRuns = 20;

export function routineHome(stateDir: string, routine: string): string {
  return join(stateDir, "routines", routine);
}

export function runHome(stateDir: string, routine: string, run: string): string {
  return join(routineHome(stateDir, routine), run);
}

export function runLog(stateDir: string, routine: string, run: string): string {
  return join(runHome(stateDir, routine, run), "log");
}

function waitingInput(stateDir: string, routine: string, request: string): string {
  return join(routineHome(stateDir, routine), "inputs", request);
}

/** Puts an input where the run that is asked for as `request` will find it. @throws Error of the file system */
export async function placeInput(
  stateDir: string,
  routine: string,
  request: string,
  content: Uint8Array,
): Promise<void> {
  const path = waitingInput(stateDir, routine, request);
  await mkdir(join(path, ".."), { recursive: true, mode: 0o700 });
  await writeFile(path, content, { mode: 0o600, flush: true });
}

export async function dropInput(stateDir: string, routine: string, request: string): Promise<void> {
  await rm(waitingInput(stateDir, routine, request), { force: true });
}

export interface HomePlace {
  readonly stateDir: string;
  readonly routine: string;
  readonly run: string;
  readonly isolation: Isolation;
}

/**
 * Makes the directory of a run, if it is not there. Where each routine is a user of its own, that user may enter it: by the
 * group that the directory above it hands on (modules/units/routines.nix).
 *
 * @throws Error of the file system
 */
export async function openHome({ stateDir, routine, run, isolation }: HomePlace): Promise<void> {
  const home = runHome(stateDir, routine, run);
  await mkdir(home, { recursive: true, mode: 0o700 });
  if (isolation === "users") await chmod(home, 0o2750);
}

/**
 * The file with the input of a run, in the run's own directory, where each of its attempts finds it; null if it has none.
 *
 * @throws Error of the file system
 */
export async function takeInput(place: HomePlace, request: string): Promise<string | null> {
  const { stateDir, routine, run, isolation } = place;
  const home = runHome(stateDir, routine, run);
  const path = join(home, "input");
  try {
    await rename(waitingInput(stateDir, routine, request), path);
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error;
  }
  if (!namesIn(home).some(({ name }) => name === "input")) return null;
  if (isolation === "users") await chmod(path, 0o640);
  return path;
}

/** Removes the inputs of requests that nobody remembers: watchd died between the input and the request. */
export function removeStrayInputs(stateDir: string, known: ReadonlySet<string>): void {
  for (const { name: routine } of namesIn(join(stateDir, "routines"))) {
    for (const { name: request } of namesIn(join(routineHome(stateDir, routine), "inputs"))) {
      if (!known.has(request)) rmSync(waitingInput(stateDir, routine, request), { force: true });
    }
  }
}

/** The runs of a routine that have files, the newest first. */
export function runsWithFiles(stateDir: string, routine: string): readonly string[] {
  return namesIn(routineHome(stateDir, routine))
    .map(({ name }) => /^run-(.+)-(\d+)$/.exec(name))
    .filter((match) => match !== null)
    .sort((a, b) => Number(b[2]) - Number(a[2]))
    .map(([run]) => run);
}

/** Removes the files of all runs of a routine but the newest, and those that are `active`. */
export async function pruneRuns(
  stateDir: string,
  routine: string,
  active: ReadonlySet<string>,
): Promise<void> {
  const over = runsWithFiles(stateDir, routine).filter((run) => !active.has(run));
  for (const run of over.slice(keptRuns))
    await rm(runHome(stateDir, routine, run), { recursive: true, force: true });
}

function namesIn(directory: string): readonly Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch (error) {
    if (systemCode(error) === "ENOENT" || systemCode(error) === "ENOTDIR") return [];
    throw error;
  }
}
