import { type JsonSchema, jsonSchemaOf } from "./json-schema.ts";
import { fleetType } from "./options.ts";
import { manifestSchema } from "./parse-manifest.ts";

const dialect = "https://json-schema.org/draft/2020-12/schema";

/**
 * A JSON Schema for each document that others read or write: `fleet`, what a fleet file exports, and `host`, the `host.json`
 * that Nix writes on a host, as this release reads it.
 */
export function jsonSchemas(): Readonly<Record<"fleet" | "host", JsonSchema>> {
  return {
    fleet: { $schema: dialect, title: "A fleet of Daruma", ...jsonSchemaOf(fleetType()) },
    host: { $schema: dialect, title: "host.json of Daruma", ...manifestSchema },
  };
}
