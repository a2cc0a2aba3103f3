import { createHash } from "node:crypto";
import { baseErrors } from "./catalogue.ts";

export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/**
 * Canonical JSON (RFC 8785): keys by UTF-16 code unit, ECMAScript number form, no white space. Stricter than the RFC in
 * one point: integers beyond 2^53 - 1 are refused, because readers in other languages would round them differently.
 *
 * @throws JSON_E_NOT_CANONICAL, naming the path of the value.
 */
export function canonicalize(value: JsonValue): string {
  return told(() => print(value));
}

/**
 * How deep a large document is taken apart, and how much of it is text at a time: so little that its tree never leaves the
 * young generation, of which a daemon has 1 MiB.
 */
const pieceDepth = 3;
const pieceLength = 4_096;

/**
 * As `canonicalize`, in UTF-8. A text is put together from strings that V8 keeps as a tree, ten times as large as what it says,
 * until the last is there; megabytes should therefore be made by this.
 *
 * @throws JSON_E_NOT_CANONICAL, naming the path of the value.
 */
export function canonicalBytes(value: JsonValue): Buffer {
  const bytes: Buffer[] = [];
  let texts: string[] = [];
  let length = 0;
  const flush = () => {
    bytes.push(Buffer.from(texts.join("")));
    texts = [];
    length = 0;
  };
  const add = (text: string) => {
    texts.push(text);
    length += text.length;
    if (length > pieceLength) flush();
  };
  told(() => printPieces(value, pieceDepth, add));
  flush();
  return Buffer.concat(bytes);
}

function told<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const path = error.keys.reverse().join("").replace(/^\./, "");
    throw baseErrors.make("JSON_E_NOT_CANONICAL", `${path === "" ? "the value" : path}: ${error.why}`);
  }
}

function printPieces(value: unknown, depth: number, add: (text: string) => void): void {
  if (depth === 0 || typeof value !== "object" || value === null || Array.isArray(value)) {
    add(print(value));
    return;
  }
  const record = value as Record<string, unknown>;
  let before = "{";
  for (const key of sortedKeys(record)) {
    add(`${before}${printAt(key, ".", key)}:`);
    at((each) => printPieces(each, depth - 1, add), record[key], ".", key);
    before = ",";
  }
  add(before === "{" ? "{}" : "}");
}

/** SHA-256 of the canonical form, in lower-case hex: the identity of any document of ours. */
export function digestOf(value: JsonValue): string {
  return createHash("sha256").update(canonicalize(value)).digest("hex");
}

/** The path is put together while the fault travels up, so that printing pays nothing for it. */
class Fault extends Error {
  readonly keys: string[] = [];
  readonly why: string;

  constructor(why: string) {
    super(why);
    this.why = why;
  }
}

function print(value: unknown): string {
  switch (typeof value) {
    case "string":
      return printString(value);
    case "number":
      return printNumber(value);
    case "boolean":
      return value ? "true" : "false";
    case "object":
      if (value === null) return "null";
      if (Array.isArray(value)) return printArray(value);
      return printObject(value as Record<string, unknown>);
    default:
      throw new Fault(`a ${typeof value} is not JSON`);
  }
}

function printString(value: string): string {
  // JSON.stringify would turn a lone surrogate into an escape without a word.
  if (!value.isWellFormed()) throw new Fault("the string has a lone surrogate");
  return JSON.stringify(value);
}

function printNumber(value: number): string {
  if (!Number.isFinite(value)) throw new Fault(`${value} is not JSON`);
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw new Fault(`the integer ${value} cannot be represented exactly`);
  }
  return JSON.stringify(value);
}

function printArray(values: readonly unknown[]): string {
  let text = "[";
  // By index: iteration methods skip holes, which are no JSON.
  for (let index = 0; index < values.length; index += 1) {
    if (index > 0) text += ",";
    text += printAt(values[index], `[${index}]`, "");
  }
  return `${text}]`;
}

function printObject(record: Record<string, unknown>): string {
  let text = "{";
  for (const key of sortedKeys(record)) {
    if (text !== "{") text += ",";
    text += `${printAt(key, ".", key)}:${printAt(record[key], ".", key)}`;
  }
  return `${text}}`;
}

function sortedKeys(record: Record<string, unknown>): readonly string[] {
  const prototype = Object.getPrototypeOf(record);
  if (prototype !== Object.prototype && prototype !== null) throw new Fault("only plain objects are JSON");
  return Object.keys(record).sort();
}

function printAt(value: unknown, mark: string, key: string): string {
  return at(print, value, mark, key);
}

function at<T>(how: (value: unknown) => T, value: unknown, mark: string, key: string): T {
  try {
    return how(value);
  } catch (error) {
    if (error instanceof Fault) error.keys.push(`${mark}${key}`);
    throw error;
  }
}
