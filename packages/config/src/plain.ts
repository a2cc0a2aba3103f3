import type { Problem } from "@daruma/base";
import { formatPath, type Path } from "./paths.ts";

/** What is left of a user's value when everything that is not plain data is taken out, and what that was. */
export interface PlainData {
  readonly value: unknown;
  readonly problems: readonly Problem[];
}

/**
 * Copies plain data (objects, arrays, strings, numbers, booleans, null). Keys whose value is undefined are left out, as
 * JSON does. Reports what would be lost or broken further on: instances of classes, cycles, keys that are symbols, and text
 * that cannot be written down (NUL, which ends every string of the operating system, and lone surrogates, which have no
 * UTF-8 form).
 */
export function toPlain(input: unknown): PlainData {
  const problems: Problem[] = [];
  const value = copy(input, [], new Set(), (path, message) => {
    problems.push({ path: formatPath(path), message });
  });
  return { value, problems };
}

type Report = (path: Path, message: string) => void;

function copy(value: unknown, path: Path, parents: Set<object>, report: Report): unknown {
  if (typeof value === "string") {
    const problem = textProblem(value);
    if (problem !== undefined) report(path, `must not contain ${problem}`);
    return value;
  }
  if (typeof value !== "object" || value === null) return value;
  if (parents.has(value)) {
    report(path, "must not contain itself");
    return undefined;
  }
  parents.add(value);
  const result = Array.isArray(value)
    ? Array.from(value, (item, index) => copy(item, [...path, index], parents, report))
    : copyObject(value, path, parents, report);
  parents.delete(value);
  return result;
}

function copyObject(value: object, path: Path, parents: Set<object>, report: Report): unknown {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    report(path, `must be a plain object, not ${article(className(value))}`);
    return undefined;
  }
  // A null prototype: a key named __proto__ stays a key.
  const result: Record<string, unknown> = Object.create(null);
  for (const key of Object.getOwnPropertySymbols(value)) {
    // A module namespace has one that is not enumerable, and is plain all the same.
    if (!Object.prototype.propertyIsEnumerable.call(value, key)) continue;
    report([...path, key], "a symbol cannot be the name of an option");
  }
  for (const key of Object.keys(value)) {
    const problem = textProblem(key);
    if (problem !== undefined) report([...path, key], `a name must not contain ${problem}`);
    const member = copy(Reflect.get(value, key), [...path, key], parents, report);
    if (member !== undefined) result[key] = member;
  }
  return result;
}

function textProblem(text: string): string | undefined {
  if (text.includes("\u0000")) return "the character NUL";
  return text.isWellFormed() ? undefined : "half of a surrogate pair";
}

function className(value: object): string {
  const name: unknown = value.constructor?.name;
  return typeof name === "string" && name !== "" ? name : "instance of a class";
}

function article(noun: string): string {
  return /^[aeiou]/i.test(noun) ? `an ${noun}` : `a ${noun}`;
}
