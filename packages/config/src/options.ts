import type { SchemaAST } from "effect";
import type { OptionDoc } from "./option.ts";
import { FleetSchema } from "./schema.ts";

/** One option of the fleet file, as a generator of documentation or of Nix options needs it. */
export interface OptionRow {
  /** From the root of the fleet; `<name>` stands for a key that the user chooses. */
  readonly path: readonly string[];
  readonly description: string;
  /** What is allowed, as the end of the sentence "must be …". */
  readonly expected: string;
  /** Has to be set: neither a default nor a meaning when it is left out. */
  readonly required: boolean;
  /** As it is written in a fleet file. */
  readonly default?: unknown;
  readonly example?: unknown;
}

/** Stands for a key that the user chooses in the path of an option. */
export const anyName = "<name>";

/** Every option there is, parents before children, in the order of the schema. */
export function describeOptions(): readonly OptionRow[] {
  return fieldsOf(FleetSchema.ast, []);
}

function fieldsOf(ast: SchemaAST.AST, path: readonly string[]): OptionRow[] {
  // Tagged alternatives, such as the words of a command, are values and not options.
  if (ast._tag !== "Objects") return [];
  const named = ast.propertySignatures.flatMap(({ name, type }) => {
    const at = [...path, String(name)];
    const row = describe(type, at);
    return row === undefined ? [] : [row, ...fieldsOf(type, at)];
  });
  const chosen = ast.indexSignatures.flatMap(({ type }) => fieldsOf(type, [...path, anyName]));
  return [...named, ...chosen];
}

function describe(ast: SchemaAST.AST, path: readonly string[]): OptionRow | undefined {
  const doc = ast.context?.annotations?.option as OptionDoc | undefined;
  if (doc === undefined) return undefined;
  const expected = ast.annotations?.expected;
  if (typeof expected !== "string")
    throw new Error(`the option ${path.join(".")} does not say what it expects`);
  return { ...doc, path, expected, required: !("default" in doc) && ast.context?.isOptional !== true };
}
