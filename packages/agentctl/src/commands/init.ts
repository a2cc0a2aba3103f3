import { lstat } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { type ExitCode, exitCode, messageOf, systemCode, writeFileAtomic } from "@daruma/base";
import { agentctlErrors } from "../catalogue.ts";
import type { Context } from "../cli/command.ts";
import { compileFleet, loadFleet, loadTemplates } from "../compile/index.ts";
import { fleetFiles, typesFile } from "../init/files.ts";

export interface InitInput {
  readonly args: { readonly DIR: string | undefined };
  readonly options: {
    readonly daruma: string;
    readonly "npm-registry": string | undefined;
    readonly types: boolean;
  };
}

export async function init(context: Context, { args, options }: InitInput): Promise<ExitCode> {
  const directory = resolve(context.cwd, args.DIR ?? ".");
  const all = fleetFiles({ daruma: options.daruma, npmRegistry: options["npm-registry"] ?? null });
  const files = options.types ? new Map([[typesFile, all.get(typesFile) ?? ""]]) : all;
  if (!options.types) await refuseExisting(directory, [...files.keys(), "generated"]);
  await writeAll(directory, files);
  const generated = options.types ? new Map<string, string>() : await compileNew(context, directory);
  await writeAll(directory, generated);
  const written = [...files.keys(), ...generated.keys()];
  const beside = relative(context.cwd, directory);
  const near = beside.startsWith("..") ? directory : beside;
  await context.output.result({ schemaVersion: 1, directory, written }, () => [
    ...written.map((path) => `wrote ${join(near, path)}`),
    ...(options.types ? [] : ["", `next: ${near === "" ? "" : `cd ${near} && `}agentctl dev`]),
  ]);
  return exitCode.ok;
}

/** The generated files, below `generated`: `agentctl check` passes from the start. */
async function compileNew(context: Context, directory: string): Promise<ReadonlyMap<string, string>> {
  const configFile = join(directory, "fleet.config.ts");
  const fleet = await loadFleet({ configFile, signal: context.interrupt });
  const out = join(directory, "generated");
  const files = compileFleet(fleet, { configFile, out, templates: await loadTemplates() });
  return new Map([...files].map(([path, text]) => [join("generated", path), text]));
}

async function refuseExisting(directory: string, paths: readonly string[]): Promise<void> {
  const problems: { path: string; message: string }[] = [];
  for (const path of paths)
    if (await exists(join(directory, path))) problems.push({ path, message: "exists" });
  if (problems.length === 0) return;
  const what = problems.length === 1 ? "a file is" : `${problems.length} files are`;
  throw agentctlErrors.make("INIT_E_EXISTS", `${what} in the way; nothing was written`, {
    where: directory,
    problems,
  });
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (systemCode(error) === "ENOENT" || systemCode(error) === "ENOTDIR") return false;
    throw notWritten(error, path);
  }
}

async function writeAll(directory: string, files: ReadonlyMap<string, string>): Promise<void> {
  for (const [path, text] of files) {
    try {
      await writeFileAtomic(join(directory, path), text);
    } catch (error) {
      throw notWritten(error, join(directory, path));
    }
  }
}

function notWritten(cause: unknown, where: string): Error {
  return agentctlErrors.make("INIT_E_WRITE", messageOf(cause), { where, cause });
}
