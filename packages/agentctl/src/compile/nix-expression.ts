import { compileErrors } from "./catalogue.ts";

/*
 * Nix source is printed from values, never pasted together: an expression can only be made by the functions below, and
 * every text that comes from a user goes through `quoted` or `attributeName`. The symbol under which an expression keeps its
 * source is not exported, so no other module can make one of raw text.
 */
const source = Symbol("Nix source");

const isCall = Symbol("Nix call");

/** A Nix expression. What is in it is nobody's business but this module's. */
export interface NixExpression {
  readonly [source]: Printer;
  /** Whether it needs parentheses where it is an argument or an element. */
  readonly [isCall]?: true;
}

/** Prints at an indentation; the first line is not indented. */
type Printer = (indent: string) => string;

/** A directory, as a generated file refers to it. */
export type NixDirectory =
  | { readonly absolute: string }
  /** `up` directories above the file that refers to it (0 is its own), then down along `below` (`""` or `a/b`). */
  | { readonly up: number; readonly below: string };

/** The source of an expression that starts in the given column. */
export function printNix(expression: NixExpression, indent = ""): string {
  return expression[source](indent);
}

/** The same expression, which keeps what it printed last: for one that is printed many times at one place. */
export function nixShared(expression: NixExpression): NixExpression {
  let last: { readonly indent: string; readonly text: string } | undefined;
  const print: Printer = (indent) => {
    // Joined it is one text; added up it would be a tree, which every host's file would walk down again.
    if (last?.indent !== indent) last = { indent, text: ["", expression[source](indent)].join("") };
    return last.text;
  };
  return Object.freeze({ ...expression, [source]: print });
}

export function nixString(text: string): NixExpression {
  return constant(quoted(text));
}

export function nixBoolean(value: boolean): NixExpression {
  return constant(value ? "true" : "false");
}

export const nixNull: NixExpression = constant("null");

/** Integers up to 2^53 - 1 stay integers; all else is a float. */
export function nixNumber(value: number): NixExpression {
  if (!Number.isFinite(value)) throw new RangeError(`Nix has no ${value}`);
  const digits = nixDigits(Math.abs(value));
  return constant(value < 0 ? `(-${digits})` : digits);
}

/** One element stays on the line; several get a line each, so that diffs show one change as one line. */
export function nixList(items: readonly NixExpression[]): NixExpression {
  return made((indent) => {
    const [first, ...others] = items;
    if (first === undefined) return "[ ]";
    if (others.length === 0) {
      const line = `[ ${printOperand(first, indent)} ]`;
      if (!line.includes("\n") && indent.length + line.length <= 100) return line;
    }
    const inner = `${indent}  `;
    return `[\n${items.map((item) => `${inner}${printOperand(item, inner)}\n`).join("")}${indent}]`;
  });
}

/** An attribute set, in the order of the record's keys. */
export function nixSet(members: Readonly<Record<string, NixExpression>>): NixExpression {
  return setOf(members, "");
}

/**
 * A name that is in scope, applied to arguments: `types.ints.between 1 10`. For what Daruma itself prints; the name of
 * something is never a user's text.
 *
 * @throws RangeError for a name that is no dotted path of identifiers.
 */
export function nixCall(name: string, ...operands: readonly NixExpression[]): NixExpression {
  if (!name.split(".").every(isIdentifier)) throw new RangeError(`Nix has no name ${JSON.stringify(name)}`);
  if (operands.length === 0) return constant(name);
  const print: Printer = (indent) =>
    [name, ...operands.map((operand) => printOperand(operand, indent))].join(" ");
  return Object.freeze({ [source]: print, [isCall]: true as const });
}

/** Members that are options, with a line between them. */
export function nixOptions(members: Readonly<Record<string, NixExpression>>): NixExpression {
  return setOf(members, "\n");
}

/** `"${pkgs.ATTRIBUTE}/PATH"`: a file of a package. `attribute` is a dotted path. */
export function nixPackageFile(attribute: string, path: string): NixExpression {
  const selected = ["pkgs", ...attribute.split(".").map(attributeName)].join(".");
  return constant(`"\${${selected}}/${escaped(path)}"`);
}

/** `"${builtins.path { … }}/FILE"`: a file of a directory that is copied to the store under `name`. */
export function nixSourceFile(directory: NixDirectory, name: string, file: string): NixExpression {
  const copied = `builtins.path { path = ${pathTo(directory)}; name = ${quoted(name)}; }`;
  return constant(`"\${${copied}}/${escaped(file)}"`);
}

/** The text as a comment line. Control characters, which would end it or hide what follows, become spaces. */
export function nixComment(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return `# ${text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, " ").toWellFormed()}`.trimEnd();
}

function made(print: Printer): NixExpression {
  return Object.freeze({ [source]: print });
}

function setOf(members: Readonly<Record<string, NixExpression>>, between: string): NixExpression {
  const named = Object.entries(members).map(([name, value]) => [attributeName(name), value] as const);
  return made((indent) => {
    if (named.length === 0) return "{ }";
    const inner = `${indent}  `;
    // Added up, not joined: what is joined is copied at each level of a file that may have many hundred lines.
    let lines = "";
    for (const [name, value] of named) {
      const line = `${inner}${name} = ${value[source](inner)};\n`;
      lines = lines === "" ? line : lines + between + line;
    }
    return `{\n${lines}${indent}}`;
  });
}

/** As an argument or an element; one of several lines starts on a line of its own, as nixfmt has it. */
function printOperand(expression: NixExpression, indent: string): string {
  if (expression[isCall] !== true) return expression[source](indent);
  const inline = expression[source](indent);
  if (!inline.includes("\n")) return `(${inline})`;
  const inner = `${indent}  `;
  return `(\n${inner}${expression[source](inner)}\n${indent})`;
}

function constant(text: string): NixExpression {
  return made(() => text);
}

function pathTo(directory: NixDirectory): string {
  // A path literal cannot hold every character, but a path can be added a string that does.
  if ("absolute" in directory) return `/. + ${quoted(directory.absolute)}`;
  const base =
    directory.up === 0 ? "./." : directory.up === 1 ? "./.." : Array(directory.up).fill("..").join("/");
  return directory.below === "" ? base : `${base} + ${quoted(`/${directory.below}`)}`;
}

function quoted(text: string): string {
  return `"${escaped(text)}"`;
}

/** Printable ASCII without `"`, `$` and the backslash, which is what nearly every text of a fleet is made of. */
const harmless = /^[ !#%-[\]-~]*$/;

/** Escapes as Nix's lexer reads `"` strings. A raw CR would be read as LF, and NUL ends what Nix can hold. */
function escaped(text: string): string {
  if (harmless.test(text)) return text;
  const problem = text.includes("\u0000")
    ? "NUL"
    : text.isWellFormed()
      ? undefined
      : "half of a surrogate pair";
  if (problem !== undefined) {
    const shown = JSON.stringify(text.slice(0, 40).toWellFormed());
    throw compileErrors.make("COMPILE_E_TEXT", `the text ${shown} contains ${problem}`);
  }
  return text.replaceAll(/[\\"\n\r\t]|\$(?=\{)/g, (char) => escapes[char] ?? `\\${char}`);
}

const escapes: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

const keywords: ReadonlySet<string> = new Set("assert else if in inherit let or rec then with".split(" "));

function attributeName(name: string): string {
  return isIdentifier(name) ? name : quoted(name);
}

function isIdentifier(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_'-]*$/.test(name) && !keywords.has(name);
}

/** Nix wants a point in every float, and digits on its left unless it starts with 0. */
function nixDigits(value: number): string {
  if (Number.isSafeInteger(value)) return String(value);
  const text = String(value).replace("e+", "e");
  if (text.includes(".")) return text;
  return text.includes("e") ? text.replace("e", ".0e") : `${text}.0`;
}
