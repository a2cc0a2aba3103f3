import type { Problem } from "@daruma/base";
import { suggest } from "@daruma/base";
import type { SchemaAST, SchemaIssue } from "effect";
import type { configErrors } from "./catalogue.ts";
import { formatPath, type Path } from "./paths.ts";

/** Flattens what the schema found wrong into one line for each place. Values are not repeated: they may be secrets. */
export function problemsOf(issue: SchemaIssue.Issue, path: Path = []): Problem[] {
  switch (issue._tag) {
    case "Pointer":
      return problemsOf(issue.issue, [...path, ...issue.path]);
    case "Composite":
      // How a text was taken apart says less than what it should have been.
      if (issue.ast._tag === "TemplateLiteral")
        return [problem("CONFIG_E_TYPE", path, wrongType(issue.ast, issue.input))];
      return issue.issues.flatMap((each) => problemsOf(each, path));
    case "Filter":
      return filtered(issue, path);
    case "Encoding":
      return problemsOf(issue.issue, path);
    case "AnyOf":
      return alternatives(issue, path);
    case "MissingKey":
      return [
        problem("CONFIG_E_REQUIRED", path, typeof path.at(-1) === "number" ? "is missing" : "is required"),
      ];
    case "UnexpectedKey":
      return [problem("CONFIG_E_UNKNOWN_OPTION", path, unexpected(path, issue.ast))];
    case "InvalidType":
      return [problem("CONFIG_E_TYPE", path, wrongType(issue.ast, issue.input))];
    case "OneOf":
    case "InvalidValue":
    case "Forbidden":
      return [problem("CONFIG_E_VALUE", path, messageOf(issue))];
  }
}

type Code = keyof typeof configErrors.catalogue;

function problem(code: Code, path: Path, message: string): Problem {
  return { code, path: formatPath(path), message };
}

function filtered(issue: SchemaIssue.Filter, path: Path): Problem[] {
  const message = issue.filter.annotations?.message;
  return message === undefined ? problemsOf(issue.issue, path) : [problem("CONFIG_E_VALUE", path, message)];
}

function alternatives(issue: SchemaIssue.AnyOf, path: Path): Problem[] {
  // Where one alternative alone was tried (the others differ in type or in their tag), its own complaint says most.
  const [only, ...others] = issue.issues;
  if (only !== undefined && others.length === 0) return problemsOf(only, path);
  return [problem("CONFIG_E_TYPE", path, wrongType(issue.ast, issue.input))];
}

function wrongType(ast: SchemaAST.AST, input: unknown): string {
  const explained = ast.annotations?.explain;
  const sentence = typeof explained === "function" ? explained(input) : undefined;
  if (typeof sentence === "string") return sentence;
  const expected = ast.annotations?.expected;
  const must = typeof expected === "string" ? expected : "of another type";
  if (typeof input !== "string") return `must be ${must}, not ${typeName(input)}`;
  const meant = suggest(input, wordsOf(ast));
  return meant === undefined ? `must be ${must}` : `must be ${must}; did you mean "${meant}"?`;
}

/** The words that are allowed where a few are, and no others. */
function wordsOf(ast: SchemaAST.AST): readonly string[] {
  const alternatives = ast._tag === "Union" ? ast.types : [ast];
  return alternatives.flatMap((each) =>
    each._tag === "Literal" && typeof each.literal === "string" ? [each.literal] : [],
  );
}

function unexpected(path: Path, ast: SchemaAST.AST): string {
  const key = String(path.at(-1));
  if (ast._tag === "Arrays") return "is one element too many";
  const known = ast._tag === "Objects" ? ast.propertySignatures.map((each) => String(each.name)) : [];
  const meant = suggest(key, known);
  if (meant !== undefined) return `is not an option; did you mean "${meant}"?`;
  return known.length === 0 ? "is not an option" : `is not an option; known here: ${known.join(", ")}`;
}

function messageOf(issue: SchemaIssue.OneOf | SchemaIssue.InvalidValue | SchemaIssue.Forbidden): string {
  const message = issue._tag === "OneOf" ? undefined : issue.annotations?.message;
  return typeof message === "string" ? message : "is not valid";
}

function typeName(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  switch (typeof value) {
    case "undefined":
      return "undefined";
    case "object":
      return "an object";
    default:
      return `a ${typeof value}`;
  }
}
