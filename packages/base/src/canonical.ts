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
  return print(value, "");
}

/** SHA-256 of the canonical form, in lower-case hex: the identity of any document of ours. */
export function digestOf(value: JsonValue): string {
  return createHash("sha256").update(canonicalize(value)).digest("hex");
}

function print(value: unknown, path: string): string {
  switch (typeof value) {
    case "string":
      return printString(value, path);
    case "number":
      return printNumber(value, path);
    case "boolean":
      return value ? "true" : "false";
    case "object":
      if (value === null) return "null";
      if (Array.isArray(value)) return printArray(value, path);
      return printObject(value as Record<string, unknown>, path);
    default:
      throw refuse(path, `a ${typeof value} is not JSON`);
  }
}

function printString(value: string, path: string): string {
  // JSON.stringify would turn a lone surrogate into an escape without a word.
  if (!value.isWellFormed()) throw refuse(path, "the string has a lone surrogate");
  return JSON.stringify(value);
}

function printNumber(value: number, path: string): string {
  if (!Number.isFinite(value)) throw refuse(path, `${value} is not JSON`);
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw refuse(path, `the integer ${value} cannot be represented exactly`);
  }
  return JSON.stringify(value);
}

function printArray(values: readonly unknown[], path: string): string {
  // Array.from fills holes, which map would skip.
  return `[${Array.from(values, (item, index) => print(item, `${path}[${index}]`)).join(",")}]`;
}

function printObject(record: Record<string, unknown>, path: string): string {
  const prototype = Object.getPrototypeOf(record);
  if (prototype !== Object.prototype && prototype !== null) throw refuse(path, "only plain objects are JSON");
  const members: string[] = [];
  for (const key of Object.keys(record).sort()) {
    const at = path === "" ? key : `${path}.${key}`;
    members.push(`${printString(key, at)}:${print(record[key], at)}`);
  }
  return `{${members.join(",")}}`;
}

function refuse(path: string, why: string): Error {
  return baseErrors.make("JSON_E_NOT_CANONICAL", `${path === "" ? "the value" : path}: ${why}`);
}
