import type { Problem } from "@daruma/base";
import { formatPath, type Path } from "./paths.ts";

/** What is left of a user's value when everything that is not plain data is taken out, and what that was. */
export interface PlainData {
  readonly value: unknown;
  readonly problems: readonly Problem[];
  /** Whether JSON holds all of it: nothing is a function, a bigint, a symbol, undefined in a list, or a number that is none. */
  readonly isJson: boolean;
}

/**
 * Copies plain data (objects, arrays, strings, numbers, booleans, null). Keys whose value is undefined are left out, as
 * JSON does. Reports what would be lost or broken further on: instances of classes, cycles, keys that are symbols, and text
 * that cannot be written down (NUL, which ends every string of the operating system, and lone surrogates, which have no
 * UTF-8 form).
 */
export function toPlain(input: unknown): PlainData {
  const problems: Problem[] = [];
  let isJson = true;
  const report: Report = (trail, message) => {
    isJson = false;
    if (message !== undefined) problems.push({ path: formatPath(pathOf(trail)), message });
  };
  const value = copy(input, null, new Set(), report);
  return { value, problems, isJson };
}

/** A path from its end: most are never written, so that going down must not copy it. */
interface Trail {
  readonly before: Trail | null;
  readonly key: PropertyKey;
}

/** Without a message: what is no JSON and for the schema to refuse. */
type Report = (trail: Trail | null, message?: string) => void;

function pathOf(trail: Trail | null): Path {
  const path: PropertyKey[] = [];
  for (let at = trail; at !== null; at = at.before) path.push(at.key);
  return path.reverse();
}

function copy(value: unknown, trail: Trail | null, parents: Set<object>, report: Report): unknown {
  if (typeof value === "string") {
    const problem = textProblem(value);
    if (problem !== undefined) report(trail, `must not contain ${problem}`);
    return value;
  }
  if (typeof value !== "object" || value === null) {
    if (!isScalar(value)) report(trail);
    return value;
  }
  if (parents.has(value)) {
    report(trail, "must not contain itself");
    return undefined;
  }
  parents.add(value);
  const result = Array.isArray(value)
    ? Array.from(value, (item, key) => copy(item, { before: trail, key }, parents, report))
    : copyObject(value, trail, parents, report);
  parents.delete(value);
  return result;
}

function copyObject(value: object, trail: Trail | null, parents: Set<object>, report: Report): unknown {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    report(trail, `must be a plain object, not ${article(className(value))}`);
    return undefined;
  }
  // A null prototype: a key named __proto__ stays a key.
  const result: Record<string, unknown> = Object.create(null);
  for (const key of Object.getOwnPropertySymbols(value)) {
    // A module namespace has one that is not enumerable, and is plain all the same.
    if (!Object.prototype.propertyIsEnumerable.call(value, key)) continue;
    report({ before: trail, key }, "a symbol cannot be the name of an option");
  }
  for (const key of Object.keys(value)) {
    const problem = textProblem(key);
    const at = { before: trail, key };
    if (problem !== undefined) report(at, `a name must not contain ${problem}`);
    const given: unknown = Reflect.get(value, key);
    if (given === undefined) continue;
    const member = copy(given, at, parents, report);
    if (member !== undefined) result[key] = member;
  }
  return result;
}

function isScalar(value: unknown): boolean {
  return value === null || typeof value === "boolean" || Number.isFinite(value);
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
