import type { SchemaAST } from "effect";
import type { OptionDoc } from "./option.ts";

/*
 * The schema as a tree that says no more than what other languages' types can say: what Nix options, JSON Schema and the
 * reference are made from.
 */

/** What a value may be, as it is written in a fleet file. */
export type OptionType =
  | LeafType
  | { readonly kind: "choice"; readonly words: readonly string[] }
  | { readonly kind: "flag" | "number" | "null" }
  /** nixpkg(…) or source(…). */
  | { readonly kind: "reference"; readonly reference: string; readonly keys: readonly OptionField[] }
  | {
      readonly kind: "list";
      /** Of the first items; all others are as `rest`. */
      readonly first: readonly OptionType[];
      readonly rest: OptionType;
      readonly distinct: boolean;
      readonly nonEmpty: boolean;
    }
  /** Values under keys that the user chooses. */
  | { readonly kind: "record"; readonly values: OptionType }
  | { readonly kind: "fields"; readonly fields: readonly OptionField[] }
  | { readonly kind: "either"; readonly of: readonly OptionType[] };

/** What a leaf of the schema accepts. The codecs say it, because a check is a function that nobody can read. */
export type LeafType =
  | {
      readonly kind: "text";
      /**
       * A regular expression that every allowed text matches as a whole; there may be more to it. It means the same as
       * POSIX ERE (Nix) and in JavaScript: no classes in brackets, no `\d`, no groups that do not capture.
       */
      readonly pattern?: string;
      /** A file that holds a secret: never one of the Nix store, which everybody can read. */
      readonly outsideStore?: true;
    }
  | { readonly kind: "duration" | "size"; readonly least: string; readonly most: string }
  | { readonly kind: "whole" | "real"; readonly min: number; readonly max: number };

/** What a list is beside its items. */
export interface ListForm {
  readonly distinct?: true;
  readonly nonEmpty?: true;
}

declare module "effect/Schema" {
  namespace Annotations {
    interface Augment {
      readonly leaf?: LeafType | undefined;
      readonly list?: ListForm | undefined;
    }
  }
}

export interface OptionField extends OptionDoc {
  readonly name: string;
  readonly type: OptionType;
  /** What is allowed, as the end of the sentence "must be …". */
  readonly expected: string;
  /** Has to be set: neither a default nor a meaning when it is left out. */
  readonly required: boolean;
}

/** @throws Error for a schema that does not say of a leaf or an option what it is: a mistake in the schema. */
export function optionType(ast: SchemaAST.AST, path: readonly string[] = []): OptionType {
  const leaf = ast.annotations?.leaf as LeafType | undefined;
  if (leaf !== undefined) return leaf;
  switch (ast._tag) {
    case "String":
      return { kind: "text" };
    case "Number":
      return { kind: "number" };
    case "Boolean":
      return { kind: "flag" };
    case "Null":
      return { kind: "null" };
    case "Literal":
      return { kind: "choice", words: [String(ast.literal)] };
    case "Union":
      return unionType(ast.types.map((each) => optionType(each, path)));
    case "Arrays":
      return listType(ast, path);
    case "Objects":
      return objectType(ast, path);
    default:
      throw new Error(`the option ${path.join(".")} is of a kind that nothing is made from: ${ast._tag}`);
  }
}

function unionType(types: readonly OptionType[]): OptionType {
  const words = types.flatMap((type) => (type.kind === "choice" ? type.words : []));
  return words.length === types.length ? { kind: "choice", words } : { kind: "either", of: types };
}

function listType(ast: SchemaAST.Arrays, path: readonly string[]): OptionType {
  const form = ast.annotations?.list as ListForm | undefined;
  const [rest] = ast.rest;
  if (rest === undefined) throw new Error(`the option ${path.join(".")} is a list of a fixed length`);
  return {
    kind: "list",
    first: ast.elements.map((each) => optionType(each, path)),
    rest: optionType(rest, path),
    distinct: form?.distinct === true,
    nonEmpty: form?.nonEmpty === true || ast.elements.length > 0,
  };
}

function objectType(ast: SchemaAST.Objects, path: readonly string[]): OptionType {
  const [index] = ast.indexSignatures;
  if (index !== undefined) return { kind: "record", values: optionType(index.type, path) };
  const tag = ast.propertySignatures.find(({ name }) => name === "ref")?.type;
  const named = ast.propertySignatures.filter(({ name }) => name !== "ref" || tag?._tag !== "Literal");
  const fields = named.map(({ name, type }) => fieldOf(type, [...path, String(name)]));
  if (tag?._tag !== "Literal") return { kind: "fields", fields };
  return { kind: "reference", reference: String(tag.literal), keys: fields };
}

function fieldOf(ast: SchemaAST.AST, path: readonly string[]): OptionField {
  const doc = ast.context?.annotations?.option as OptionDoc | undefined;
  if (doc === undefined) throw new Error(`the option ${path.join(".")} does not say what it is for`);
  const expected = ast.annotations?.expected;
  if (typeof expected !== "string") {
    throw new Error(`the option ${path.join(".")} does not say what it expects`);
  }
  return {
    ...doc,
    name: path.at(-1) ?? "",
    type: optionType(ast, path),
    expected,
    required: !("default" in doc) && ast.context?.isOptional !== true,
  };
}

/** Options that have no value of their own: they group others, and are the same left out and empty. */
export function isGroup(field: OptionField): boolean {
  return field.type.kind === "fields" && isEmptyObject(field.default);
}

function isEmptyObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}
