import { spawn } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { delimiter, dirname, join, relative, resolve } from "node:path";
import { text } from "node:stream/consumers";
import type { Problem } from "@daruma/base";
import { placeInFile } from "../locate/file-place.ts";
import type { CheckOptions, Outcome } from "./step.ts";

/**
 * Has a TypeScript compiler, where there is one, check the project that the fleet file is in. Daruma brings none along: it
 * would be larger than all the rest, and the fleet's editor should use the same.
 */
export async function checkTypes(options: CheckOptions): Promise<Outcome> {
  const directory = dirname(options.configFile);
  if (!(await isReadable(join(directory, "tsconfig.json")))) {
    return { skipped: "there is no tsconfig.json beside the fleet file; `agentctl init` writes one" };
  }
  const compiler = await findCompiler(directory, options.path);
  if (compiler === undefined)
    return { skipped: "there is no TypeScript compiler (tsc) in node_modules or on PATH" };
  const child = spawn(compiler, ["-p", directory, "--noEmit", "--pretty", "false"], {
    cwd: directory,
    stdio: ["ignore", "pipe", "pipe"],
    signal: options.signal,
    env: { ...process.env, PATH: options.path },
  });
  const ended = new Promise<number | null>((settle, fail) => child.once("error", fail).once("close", settle));
  const [code, stdout, stderr] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
  if (code === 0) return [];
  const problems = parseCompilerOutput(stdout, directory, options.cwd);
  // Whatever it is that the compiler says of itself, it has not checked the types.
  const message = `tsc ended with exit code ${code}: ${(stdout + stderr).trim().slice(0, 1000)}`;
  return problems.length > 0 ? problems : [{ path: "tsconfig.json", code: "TS", message }];
}

/**
 * Reads what `tsc --pretty false` prints: `FILE(LINE,COLUMN): error TS2322: MESSAGE`, with indented lines that go on, and
 * `error TS5023: …` for what has no place.
 */
export function parseCompilerOutput(output: string, directory: string, cwd: string): Problem[] {
  const problems: { path: string; message: string; code: string; place?: NonNullable<Problem["place"]> }[] =
    [];
  for (const line of output.split(/\r?\n/)) {
    const [, file, row, column, code, message] =
      /^(?:(.+?)\((\d+),(\d+)\): )?error (TS\d+): (.*)$/.exec(line) ?? [];
    if (code === undefined || message === undefined) {
      const last = problems.at(-1);
      if (last !== undefined && /^\s+\S/.test(line)) last.message += `\n${line.trim()}`;
      continue;
    }
    const place =
      file === undefined
        ? {}
        : { place: compilerPlace(resolve(directory, file), cwd, Number(row), Number(column)) };
    const path = place.place?.file ?? "tsconfig.json";
    problems.push({ path, message, code, ...place });
  }
  return problems;
}

function compilerPlace(file: string, cwd: string, line: number, column: number) {
  const near = relative(cwd, file);
  return { ...placeInFile(file, line, column), file: near.startsWith("..") ? file : near };
}

async function findCompiler(directory: string, path: string): Promise<string | undefined> {
  const places: string[] = [];
  for (let at = directory; ; at = dirname(at)) {
    places.push(join(at, "node_modules", ".bin", "tsc"));
    if (at === dirname(at)) break;
  }
  for (const each of path.split(delimiter)) if (each !== "") places.push(join(each, "tsc"));
  return firstProgram(places);
}

/** The first of some paths that is a program. */
export async function firstProgram(places: readonly string[]): Promise<string | undefined> {
  for (const place of places) if (await isReadable(place, constants.X_OK)) return place;
  return undefined;
}

async function isReadable(path: string, mode: number = constants.R_OK): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}
