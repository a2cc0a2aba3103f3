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
 * Under which name a place may share its copy with others that are written alike, undefined where it may not: of two that have
 * one name and hold the same, one copy is made.
 */
export type Sharing = (trail: Trail) => string | undefined;

/**
 * Copies plain data (objects, arrays, strings, numbers, booleans, null). Keys whose value is undefined are left out, as
 * JSON does. Reports what would be lost or broken further on: instances of classes, cycles, keys that are symbols, and text
 * that cannot be written down (NUL, which ends every string of the operating system, and lone surrogates, which have no
 * UTF-8 form).
 */
export function toPlain(input: unknown, sharing?: Sharing): PlainData {
  const problems: Problem[] = [];
  let losses = 0;
  const report: Report = (trail, message) => {
    losses += 1;
    if (message !== undefined) problems.push({ path: formatPath(pathOf(trail)), message });
  };
  const whole = new Map<string, object>();
  const share: Share = (original, trail, make) => {
    const name = trail === null ? undefined : sharing?.(trail);
    if (name === undefined) return make();
    const last = whole.get(name);
    if (last !== undefined && isCopy(original, last)) return last;
    const before = losses;
    const made = make();
    if (losses === before && typeof made === "object" && made !== null) whole.set(name, made);
    return made;
  };
  const value = copy(input, null, { parents: new Set(), report, share });
  return { value, problems, isJson: losses === 0 };
}

/** Whether `copy` is what copying this value would give, told without making anything. */
function isCopy(value: unknown, copied: unknown): boolean {
  if (typeof value !== "object" || value === null) return Object.is(value, copied);
  if (typeof copied !== "object" || copied === null) return false;
  if (Array.isArray(value) || Array.isArray(copied)) {
    if (!Array.isArray(value) || !Array.isArray(copied) || value.length !== copied.length) return false;
    return value.every((item, index) => isCopy(item, copied[index]));
  }
  if (!isPlainObject(value) || Object.getOwnPropertySymbols(value).length > 0) return false;
  const keys = Object.keys(copied);
  let matched = 0;
  for (const key of Object.keys(value)) {
    const member: unknown = Reflect.get(value, key);
    if (member === undefined) continue;
    if (key !== keys[matched] || !isCopy(member, Reflect.get(copied, key))) return false;
    matched += 1;
  }
  return matched === keys.length;
}

function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** A path from its end: most are never written, so that going down must not copy it. */
export interface Trail {
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

type Share = (original: object, trail: Trail | null, make: () => unknown) => unknown;

interface Copying {
  readonly parents: Set<object>;
  readonly report: Report;
  readonly share: Share;
}

function copy(value: unknown, trail: Trail | null, state: Copying): unknown {
  const { parents, report, share } = state;
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
  return share(value, trail, () => {
    parents.add(value);
    const result = Array.isArray(value)
      ? Array.from(value, (item, key) => copy(item, { before: trail, key }, state))
      : copyObject(value, trail, state);
    parents.delete(value);
    return result;
  });
}

function copyObject(value: object, trail: Trail | null, state: Copying): unknown {
  const { report } = state;
  if (!isPlainObject(value)) {
    report(trail, `must be a plain object, not ${article(className(value))}`);
    return undefined;
  }
  const result = new Bare();
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
    const member = copy(given, at, state);
    if (member !== undefined) result[key] = member;
  }
  return result;
}

/**
 * An object that inherits nothing, so that a key named __proto__ stays a key and one named constructor is there only where
 * somebody wrote it. `Object.create(null)` is that too, but a hash table to the engine, several times as slow in a large fleet.
 */
const Bare = class {} as new () => Record<string, unknown>;
Object.setPrototypeOf(Bare.prototype, null);
Reflect.deleteProperty(Bare.prototype, "constructor");

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
