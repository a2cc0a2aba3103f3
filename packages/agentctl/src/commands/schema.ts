import { type ExitCode, exitCode } from "@daruma/base";
import { jsonSchemas } from "@daruma/config";
import type { Context } from "../cli/command.ts";

export interface SchemaInput {
  readonly options: { readonly of: string };
}

export async function schema(context: Context, { options }: SchemaInput): Promise<ExitCode> {
  const schemas = jsonSchemas();
  const found = options.of === "host" ? schemas.host : schemas.fleet;
  await context.output.result({ schemaVersion: 1, schema: found }, () => [JSON.stringify(found, null, 2)]);
  return exitCode.ok;
}
