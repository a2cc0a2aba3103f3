import { hostFields, isGroup, type OptionField, type OptionType } from "@daruma/config";
import {
  type NixExpression,
  nixBoolean,
  nixCall,
  nixList,
  nixNull,
  nixNumber,
  nixOptions,
  nixSet,
  nixString,
  printNix,
} from "./nix-expression.ts";
import { loadOptionsTemplate } from "./templates.ts";

type Members = Readonly<Record<string, NixExpression>>;

/** The text of modules/options.nix: the options of a host in a fleet file as options of NixOS. */
export async function optionsModule(): Promise<string> {
  const options = nixOptions({ ...own(), ...fieldOptions(hostFields()) });
  return (await loadOptionsTemplate())({ options: printNix(options, "  ") });
}

/** What a host's module has and its part of the fleet file has not. */
function own(): Members {
  return {
    enable: nixCall(
      "mkOption",
      nixSet({
        type: nixCall("types.bool"),
        default: nixBoolean(false),
        description: nixString("Whether Daruma runs the agents and routines of this host."),
      }),
    ),
    host: nixCall(
      "mkOption",
      nixSet({
        type: nixCall("types.strMatching", nixString("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")),
        description: nixString("Name of the host in the fleet."),
        example: nixString("etl-01"),
      }),
    ),
  };
}

/** agentctl folds the fleet's rules into those of each host, and tells them apart by this. */
function scope(): NixExpression {
  return nixCall(
    "mkOption",
    nixSet({
      type: nixCall("types.nullOr", typeOf({ kind: "choice", words: ["agent", "host", "fleet"] })),
      default: nixNull,
      internal: nixBoolean(true),
      description: nixString("Where the rule was written. Without it: here."),
    }),
  );
}

function fieldOptions(fields: readonly OptionField[]): Members {
  return Object.fromEntries(fields.map((field) => [field.name, optionOf(field)]));
}

function optionOf(field: OptionField): NixExpression {
  if (isGroup(field) && field.type.kind === "fields") return nixOptions(fieldOptions(field.type.fields));
  const type = typeOf(field.type);
  const given = defaultOf(field);
  const example = field.example === undefined ? undefined : exampleOf(field.example, field.type);
  return nixCall(
    "mkOption",
    nixSet({
      type: given === nixNull && !isNullable(field.type) ? nixCall("types.nullOr", type) : type,
      ...(given === undefined ? {} : { default: given }),
      description: nixString(field.description),
      ...(example === undefined ? {} : { example }),
    }),
  );
}

/** What a fleet file leaves out is null in Nix; and a host without agents is one there. */
function defaultOf({ type, required, ...field }: OptionField): NixExpression | undefined {
  if ("default" in field) return printed(field.default, type);
  if (!required) return nixNull;
  return type.kind === "record" ? nixSet({}) : undefined;
}

function typeOf(type: OptionType): NixExpression {
  switch (type.kind) {
    case "text":
      return textType(type);
    case "duration":
    case "size":
      return nixCall(type.kind, nixString(type.least), nixString(type.most));
    case "whole":
      return nixCall("types.ints.between", nixNumber(type.min), nixNumber(type.max));
    case "real":
      return nixCall("types.numbers.between", nixNumber(type.min), nixNumber(type.max));
    case "choice":
      return nixCall("types.enum", nixList(type.words.map(nixString)));
    case "flag":
      return nixCall("types.bool");
    case "number":
      return nixCall("types.number");
    case "list":
      return listType(type);
    case "record":
      return nixCall("types.attrsOf", typeOf(type.values));
    case "fields":
      return nixCall("types.submodule", nixSet({ options: nixOptions(fieldOptions(type.fields)) }));
    case "either":
      return eitherType(type.of);
    // Nix itself turns them into paths, in a text.
    case "reference":
      return nixCall("types.str");
    case "null":
      throw new Error("null by itself is no type of an option");
  }
}

function textType({ pattern, outsideStore }: Extract<OptionType, { kind: "text" }>): NixExpression {
  const type =
    pattern === undefined ? nixCall("types.str") : nixCall("types.strMatching", nixString(pattern));
  return outsideStore === true ? nixCall("outsideStore", type) : type;
}

function listType({ first, rest, distinct, nonEmpty }: Extract<OptionType, { kind: "list" }>): NixExpression {
  // A type of NixOS says the same of every item. What the first of a command has to be is in asserts.nix.
  const item = first.length === 0 ? typeOf(rest) : eitherType([...first, rest]);
  const list = nixCall(nonEmpty ? "types.nonEmptyListOf" : "types.listOf", item);
  return distinct ? nixCall("distinct", list) : list;
}

/**
 * `types.oneOf` of two submodules always takes the first, so records become one of all their fields, each of which may
 * be null; which of them go together is in asserts.nix. Texts beside records are a short form that only a fleet file has.
 */
function eitherType(types: readonly OptionType[]): NixExpression {
  const flat = types.flatMap((type) => (type.kind === "either" ? type.of : [type]));
  const records = flat.flatMap((type) => (type.kind === "fields" ? [type.fields] : []));
  if (records.length > 0) return recordType(records);
  const texts = flat.some(({ kind }) => kind === "reference" || kind === "text");
  const others = flat.filter(({ kind }) => kind !== "reference" && kind !== "text" && kind !== "null");
  const alternatives = [...(texts ? [nixCall("types.str")] : []), ...others.map(typeOf)];
  const [only] = alternatives;
  if (only === undefined) throw new Error("an option that may only be null is none");
  const type = alternatives.length === 1 ? only : nixCall("types.oneOf", nixList(alternatives));
  return flat.some(({ kind }) => kind === "null") ? nixCall("types.nullOr", type) : type;
}

function recordType(records: readonly (readonly OptionField[])[]): NixExpression {
  const merged = new Map<string, OptionField>();
  for (const field of records.flat()) {
    const seen = merged.get(field.name);
    if (seen !== undefined && printNix(typeOf(seen.type)) !== printNix(typeOf(field.type))) {
      throw new Error(`${field.name} has two types in one record`);
    }
    merged.set(field.name, seen ?? { ...withoutDefault(field), required: false });
  }
  const options = nixOptions({ ...fieldOptions([...merged.values()]), scope: scope() });
  return nixCall("types.submodule", nixSet({ options }));
}

function withoutDefault({ default: _, ...field }: OptionField): OptionField {
  return field;
}

function isNullable(type: OptionType): boolean {
  return type.kind === "either" && type.of.some(({ kind }) => kind === "null");
}

/** A value of the fleet file, as Nix has it; undefined for a short form that only a fleet file has. */
function printed(value: unknown, type: OptionType): NixExpression | undefined {
  if (value === null) return nixNull;
  if (typeof value === "string")
    return type.kind === "either" && hasRecords(type) ? undefined : nixString(value);
  if (typeof value === "number") return nixNumber(value);
  if (typeof value === "boolean") return nixBoolean(value);
  if (Array.isArray(value)) {
    const item = type.kind === "list" ? type.rest : type;
    const items = value.map((each) => printed(each, item)).filter((each) => each !== undefined);
    return value.length > 0 && items.length === 0 ? undefined : nixList(items);
  }
  const members = Object.entries(value as object).flatMap(([key, each]) => {
    const member = printed(each, memberType(type, key));
    return member === undefined ? [] : [[key, member] as const];
  });
  return nixSet(Object.fromEntries(members));
}

function memberType(type: OptionType, key: string): OptionType {
  if (type.kind === "record") return type.values;
  const field = type.kind === "fields" ? type.fields.find(({ name }) => name === key) : undefined;
  return field?.type ?? { kind: "text" };
}

function hasRecords(type: Extract<OptionType, { kind: "either" }>): boolean {
  return type.of.some(({ kind }) => kind === "fields");
}

/** Packages and code are interpolated, which documentation shows as it would be written. */
function exampleOf(example: unknown, type: OptionType): NixExpression | undefined {
  if (!JSON.stringify(example).includes('"ref":')) return printed(example, type);
  const words = (example as readonly unknown[]).map((word) => {
    const { ref, attribute, path, directory, file } = word as Readonly<Record<string, string>>;
    return ref === "nixpkg" ? `"\${pkgs.${attribute}}/${path}"` : `"\${${directory}}/${file}"`;
  });
  return nixCall("literalExpression", nixString(`[ ${words.join(" ")} ]`));
}
