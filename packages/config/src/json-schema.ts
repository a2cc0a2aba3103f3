import type { OptionField, OptionType } from "./option-type.ts";

/** A JSON Schema (draft 2020-12), or a part of one. */
export type JsonSchema = { readonly [keyword: string]: unknown };

const forms = {
  duration: "^(0|[1-9][0-9]*)(ms|s|m|h|d)$",
  size: "^(0|[1-9][0-9]*)(B|KiB|MiB|GiB|TiB)$",
} as const;

/** What a value of a fleet file may be, as far as a JSON Schema can say it; the rest is for `agentctl check`. */
export function jsonSchemaOf(type: OptionType): JsonSchema {
  switch (type.kind) {
    case "text":
      return {
        type: "string",
        ...(type.pattern === undefined ? {} : { pattern: jsonPattern(type.pattern) }),
        ...(type.outsideStore === true ? { not: { pattern: "^/nix/store/" } } : {}),
      };
    case "duration":
    case "size":
      return { type: "string", pattern: forms[type.kind] };
    case "whole":
      return { type: "integer", minimum: type.min, maximum: type.max };
    case "real":
      return { type: "number", minimum: type.min, maximum: type.max };
    case "choice":
      return { enum: type.words };
    case "flag":
      return { type: "boolean" };
    case "number":
    case "null":
      return { type: type.kind };
    case "reference":
      return referenceSchema(type);
    case "list":
      return {
        type: "array",
        ...(type.first.length === 0 ? {} : { prefixItems: type.first.map(jsonSchemaOf) }),
        items: jsonSchemaOf(type.rest),
        ...(type.nonEmpty ? { minItems: Math.max(1, type.first.length) } : {}),
        ...(type.distinct ? { uniqueItems: true } : {}),
      };
    case "record":
      return { type: "object", additionalProperties: jsonSchemaOf(type.values) };
    case "fields":
      return objectSchema(type.fields, {});
    case "either":
      return { anyOf: type.of.map(jsonSchemaOf) };
  }
}

function referenceSchema({ reference, keys }: Extract<OptionType, { kind: "reference" }>): JsonSchema {
  return objectSchema(keys, { ref: { const: reference } });
}

function objectSchema(
  fields: readonly OptionField[],
  fixed: Readonly<Record<string, JsonSchema>>,
): JsonSchema {
  const required = [
    ...Object.keys(fixed),
    ...fields.filter((field) => field.required).map(({ name }) => name),
  ];
  return {
    type: "object",
    properties: { ...fixed, ...Object.fromEntries(fields.map((field) => [field.name, fieldSchema(field)])) },
    ...(required.length === 0 ? {} : { required }),
    additionalProperties: false,
  };
}

function fieldSchema({ type, expected, description, ...field }: OptionField): JsonSchema {
  return {
    description: `${description} Must be ${expected}.`,
    ...jsonSchemaOf(type),
    ...("default" in field ? { default: field.default } : {}),
    ...(field.example === undefined ? {} : { examples: [field.example] }),
  };
}

/** ECMA-262 with its flag u, which is how JSON Schema reads a pattern: for the whole text, and `.` is any character. */
function jsonPattern(pattern: string): string {
  const parts = pattern.match(/\[\^?\]?[^\]]*\]|./g) ?? [];
  return `^(?:${parts.map(strict).join("")})$`;
}

function strict(part: string): string {
  if (part === ".") return "[\\s\\S]";
  if (part === "]") return "\\]";
  return part.length === 1 ? part : `[${part.slice(1, -1).replaceAll("[", "\\[")}]`;
}
