/*
 * Readers for machine-written JSON. They stop at the first thing that is wrong: such a document is right or was damaged.
 * They are written out here because watchd reads manifests and stays small without the schema library.
 */

import type { JsonSchema } from "./json-schema.ts";

/** Returns `value` as a T, or throws a ShapeError that names the place. */
export interface Reader<T> {
  (value: unknown, path: string): T;
  /** What it reads, for others who write or read it. */
  readonly schema: JsonSchema;
  /** What a field is that is not there. Without it, a field has to be there. */
  readonly absent?: { readonly value: T };
  /** Whether a field that is not there stays out. */
  readonly mayBeMissing?: true;
}

export class ShapeError extends Error {
  override readonly name = "ShapeError";
  readonly path: string;

  constructor(path: string, message: string) {
    super(message);
    this.path = path;
  }
}

/** A reader of what `schema` says. */
export function reading<T>(schema: JsonSchema, read: (value: unknown, path: string) => T): Reader<T> {
  return Object.assign((value: unknown, path: string) => read(value, path), { schema });
}

export const text = reading({ type: "string" }, (value, path) => {
  if (typeof value !== "string") throw new ShapeError(path, "must be a string");
  if (value.includes("\u0000")) throw new ShapeError(path, "must not contain NUL");
  return value;
});

export const nonEmptyText = reading({ type: "string", minLength: 1 }, (value, path) => {
  if (text(value, path) === "") throw new ShapeError(path, "must not be empty");
  return text(value, path);
});

export const absolutePath = reading({ type: "string", pattern: "^/" }, (value, path) => {
  if (!text(value, path).startsWith("/")) throw new ShapeError(path, "must be an absolute path");
  return text(value, path);
});

export const flag = reading({ type: "boolean" }, (value, path) => {
  if (typeof value !== "boolean") throw new ShapeError(path, "must be true or false");
  return value;
});

export function real(least: number, most: number): Reader<number> {
  return reading({ type: "number", minimum: least, maximum: most }, (value, path) => {
    if (typeof value === "number" && value >= least && value <= most) return value;
    throw new ShapeError(path, `must be a number from ${least} to ${most}`);
  });
}

export function whole(least: number, most = Number.MAX_SAFE_INTEGER): Reader<number> {
  const read = real(least, most);
  return reading({ ...read.schema, type: "integer" }, (value, path) => {
    if (Number.isSafeInteger(value)) return read(value, path);
    throw new ShapeError(path, "must be a whole number");
  });
}

export function oneOf<const T extends readonly string[]>(words: T): Reader<T[number]> {
  return reading({ enum: words }, (value, path): T[number] => {
    const found = words.find((word) => word === value);
    if (found === undefined) throw new ShapeError(path, `must be one of ${words.join(", ")}`);
    return found;
  });
}

export function nullable<T>(read: Reader<T>): Reader<T | null> {
  const schema = { anyOf: [read.schema, { type: "null" }] };
  return reading(schema, (value, path) => (value === null ? null : read(value, path)));
}

/** For a field that an earlier release did not write. */
export function added<T>(read: Reader<T>, value: T): Reader<T> {
  const schema = { ...read.schema, default: value };
  return Object.assign(reading(schema, read), { absent: { value } });
}

/** For a field that is left out where nothing is said. */
export function whereGiven<T>(read: Reader<T>): Reader<T> {
  return Object.assign(reading(read.schema, read), { mayBeMissing: true as const });
}

export function list<T>(read: Reader<T>): Reader<readonly T[]> {
  return reading({ type: "array", items: read.schema }, (value, path) => {
    if (!Array.isArray(value)) throw new ShapeError(path, "must be a list");
    return value.map((item, index) => read(item, `${path}[${index}]`));
  });
}

export function record<T>(read: Reader<T>): Reader<Readonly<Record<string, T>>> {
  return reading({ type: "object", additionalProperties: read.schema }, (value, path) =>
    Object.fromEntries(
      Object.entries(entriesOf(value, path)).map(([key, v]) => [key, read(v, join(path, key))]),
    ),
  );
}

/** Reads the given fields and leaves others out: a later release may add some under the same version. */
export function fields<T extends object>(
  readers: {
    readonly [K in keyof T]-?: Reader<Exclude<T[K], undefined>>;
  },
): Reader<T> {
  const members = Object.entries<Reader<unknown>>(readers);
  const needed = members.filter(([, { absent, mayBeMissing }]) => absent === undefined && !mayBeMissing);
  const schema = {
    type: "object",
    properties: Object.fromEntries(members.map(([key, read]) => [key, read.schema])),
    required: needed.map(([key]) => key),
  };
  return reading(schema, (value, path) => {
    const given = entriesOf(value, path);
    const result: Partial<T> = {};
    for (const key in readers) {
      const { absent, mayBeMissing } = readers[key];
      if (Object.hasOwn(given, key)) result[key] = readers[key](given[key], join(path, key));
      else if (mayBeMissing) continue;
      else if (absent === undefined) throw new ShapeError(join(path, key), "is missing");
      else result[key] = absent.value;
    }
    return result as T;
  });
}

function entriesOf(value: unknown, path: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ShapeError(path, "must be an object");
  }
  return value as Readonly<Record<string, unknown>>;
}

function join(path: string, key: string): string {
  return path === "" ? key : `${path}.${key}`;
}
