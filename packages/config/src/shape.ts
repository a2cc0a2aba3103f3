/*
 * Readers for machine-written JSON. They stop at the first thing that is wrong: such a document is right or was damaged.
 * They are written out here because watchd reads manifests and stays small without the schema library.
 */

/** Returns `value` as a T, or throws a ShapeError that names the place. */
export interface Reader<T> {
  (value: unknown, path: string): T;
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

export const text: Reader<string> = (value, path) => {
  if (typeof value !== "string") throw new ShapeError(path, "must be a string");
  if (value.includes("\u0000")) throw new ShapeError(path, "must not contain NUL");
  return value;
};

export const nonEmptyText: Reader<string> = (value, path) => {
  if (text(value, path) === "") throw new ShapeError(path, "must not be empty");
  return text(value, path);
};

export const absolutePath: Reader<string> = (value, path) => {
  if (!text(value, path).startsWith("/")) throw new ShapeError(path, "must be an absolute path");
  return text(value, path);
};

export const flag: Reader<boolean> = (value, path) => {
  if (typeof value !== "boolean") throw new ShapeError(path, "must be true or false");
  return value;
};

export function real(least: number, most: number): Reader<number> {
  return (value, path) => {
    if (typeof value === "number" && value >= least && value <= most) return value;
    throw new ShapeError(path, `must be a number from ${least} to ${most}`);
  };
}

export function whole(least: number, most = Number.MAX_SAFE_INTEGER): Reader<number> {
  return (value, path) => {
    if (Number.isSafeInteger(value)) return real(least, most)(value, path);
    throw new ShapeError(path, "must be a whole number");
  };
}

export function oneOf<const T extends readonly string[]>(words: T): Reader<T[number]> {
  return (value, path) => {
    const found = words.find((word) => word === value);
    if (found === undefined) throw new ShapeError(path, `must be one of ${words.join(", ")}`);
    return found;
  };
}

export function nullable<T>(read: Reader<T>): Reader<T | null> {
  return (value, path) => (value === null ? null : read(value, path));
}

/** For a field that an earlier release did not write. */
export function added<T>(read: Reader<T>, value: T): Reader<T> {
  return Object.assign((given: unknown, path: string) => read(given, path), { absent: { value } });
}

/** For a field that is left out where nothing is said. */
export function whereGiven<T>(read: Reader<T>): Reader<T> {
  return Object.assign((given: unknown, path: string) => read(given, path), { mayBeMissing: true as const });
}

export function list<T>(read: Reader<T>): Reader<readonly T[]> {
  return (value, path) => {
    if (!Array.isArray(value)) throw new ShapeError(path, "must be a list");
    return value.map((item, index) => read(item, `${path}[${index}]`));
  };
}

export function record<T>(read: Reader<T>): Reader<Readonly<Record<string, T>>> {
  return (value, path) =>
    Object.fromEntries(
      Object.entries(entriesOf(value, path)).map(([key, v]) => [key, read(v, join(path, key))]),
    );
}

/** Reads the given fields and leaves others out: a later release may add some under the same version. */
export function fields<T extends object>(
  readers: {
    readonly [K in keyof T]-?: Reader<Exclude<T[K], undefined>>;
  },
): Reader<T> {
  return (value, path) => {
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
  };
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
