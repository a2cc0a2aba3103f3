import { type ExitCode, exitCode } from "@daruma/base";
import { ledgerKey } from "@daruma/ledger";
import type { Context } from "../cli/command.ts";
import { locateInstance } from "../instance/locate.ts";
import { writeExport } from "./export-file.ts";

export interface KeyInput {
  readonly options: { readonly out: string | undefined; readonly state: string | undefined };
}

export async function ledgerKeyOf(context: Context, { options }: KeyInput): Promise<ExitCode> {
  const { sockets } = await locateInstance(options.state, context);
  const { origin, key } = await ledgerKey({ socket: sockets.operatorLedger });
  if (options.out === undefined) {
    await context.output.result({ schemaVersion: 1, origin, key }, () => [key]);
    return exitCode.ok;
  }
  async function* line(): AsyncGenerator<string, void, undefined> {
    yield `${key}\n`;
  }
  const file = await writeExport(context.cwd, options.out, line());
  await context.output.result({ schemaVersion: 1, origin, key, file }, () => [
    `wrote the key of ${origin} to ${file}`,
  ]);
  return exitCode.ok;
}
