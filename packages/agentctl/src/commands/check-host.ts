import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { type ExitCode, exitCode, messageOf } from "@daruma/base";
import { checkHostManifest, checkHostSettings, configErrors, parseManifest } from "@daruma/config";
import type { Context } from "../cli/command.ts";

export interface CheckHostInput {
  readonly args: { readonly SETTINGS: string; readonly HOST_JSON: string };
}

export async function checkHost(context: Context, { args }: CheckHostInput): Promise<ExitCode> {
  const settings = parseSettings(await read(context, args.SETTINGS), args.SETTINGS);
  const manifest = await read(context, args.HOST_JSON);
  const wrong = checkHostSettings(settings);
  const found =
    wrong.length > 0 ? wrong : checkHostManifest(settings, parseManifest(manifest, args.HOST_JSON));
  if (found.length > 0) {
    const count = found.length === 1 ? "a problem" : `${found.length} problems`;
    throw configErrors.make("CONFIG_E_INVALID", `services.daruma has ${count}`, { problems: found });
  }
  await context.output.result({ schemaVersion: 1, settings: args.SETTINGS, problems: [] }, () => []);
  return exitCode.ok;
}

async function read({ cwd }: Context, path: string): Promise<string> {
  try {
    return await readFile(resolve(cwd, path), "utf8");
  } catch (error) {
    throw configErrors.make("CONFIG_E_MANIFEST", `it cannot be read: ${messageOf(error)}`, {
      where: path,
      cause: error,
    });
  }
}

function parseSettings(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const message = `it is not JSON: ${messageOf(error)}`;
    throw configErrors.make("CONFIG_E_MANIFEST", message, { where, cause: error });
  }
}
