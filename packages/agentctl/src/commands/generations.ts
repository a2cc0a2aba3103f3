import { basename } from "node:path";
import { type ExitCode, exitCode } from "@daruma/base";
import type { Context } from "../cli/command.ts";
import { formatTable } from "../cli/table.ts";
import { locateInstance } from "../instance/locate.ts";
import { type GenerationRow, watchdClient } from "../instance/watchd-client.ts";

export interface GenerationsInput {
  readonly options: { readonly state: string | undefined };
}

export async function generations(context: Context, { options }: GenerationsInput): Promise<ExitCode> {
  const { sockets } = await locateInstance(options.state, context);
  const document = await watchdClient(sockets.watchd).generations();
  await context.output.result(document, () => describeGenerations(document.generations));
  return exitCode.ok;
}

export function describeGenerations(rows: readonly GenerationRow[]): readonly string[] {
  if (rows.length === 0) return ["no generations"];
  return formatTable(
    ["NUMBER", "CREATED", "STATE", "NAME"],
    rows.map((row) => [String(row.number), row.createdAt, stateOf(row), basename(row.path)]),
  );
}

function stateOf(row: GenerationRow): string {
  const states = [
    row.current ? "current" : undefined,
    row.knownGood ? "known-good" : undefined,
    row.quarantined ? "quarantined" : undefined,
  ];
  return states.filter((state) => state !== undefined).join(",");
}

export interface AllowInput extends GenerationsInput {
  readonly args: { readonly N: number };
}

export async function allow(context: Context, { args, options }: AllowInput): Promise<ExitCode> {
  const { sockets } = await locateInstance(options.state, context);
  const document = await watchdClient(sockets.watchd).allow(args.N);
  await context.output.result(document, () => [
    `generation ${args.N} may be deployed again (${basename(document.path)})`,
  ]);
  return exitCode.ok;
}
