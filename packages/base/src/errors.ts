/** Exit codes shared by every Daruma program. They are part of the interface: a code never changes its meaning. */
export const exitCode = {
  ok: 0,
  error: 1,
  usage: 2,
  unhealthy: 3,
  unknownUnit: 4,
  unreachable: 5,
  verification: 6,
  interrupted: 130,
  terminated: 143,
} as const;

export type ExitCode = (typeof exitCode)[keyof typeof exitCode];

/** One row of an error catalogue. `remedy` tells the reader what to do, in the imperative. */
export interface ErrorEntry {
  readonly summary: string;
  readonly remedy: string;
  readonly exit: ExitCode;
}

export type Catalogue = Readonly<Record<string, ErrorEntry>>;

/** One thing that is wrong, and the path to it in the user's own file (`hosts.etl-01.agents.enricher.startup`). */
export interface Problem {
  readonly path: string;
  readonly message: string;
  /** An entry of an error catalogue that says what kind of problem it is. */
  readonly code?: string;
  readonly place?: SourcePlace;
}

/** A stretch of a user's text file. Lines and columns count from 1, columns in UTF-16 units; the end is behind the last. */
export interface SourcePlace {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  readonly endColumn: number;
  /** Why the place is not the very one, where it is not. */
  readonly note?: string;
  /** Lines of the file around the place, with `firstLine` as the number of the first. */
  readonly excerpt?: { readonly firstLine: number; readonly lines: readonly string[] };
  /** Where what is written here is put into the fleet, for what a helper function or a constant holds. */
  readonly usedAt?: { readonly file: string; readonly line: number; readonly column: number };
}

export interface ErrorDetails {
  /** The file, socket or unit concerned. */
  readonly where?: string;
  readonly problems?: readonly Problem[];
  readonly cause?: unknown;
  /** Replaces the catalogue's remedy where a better one is known. */
  readonly hint?: string;
}

/** The body of every failing answer, on a socket and on `--json` stdout alike. */
export interface ErrorDocument {
  readonly schemaVersion: 1;
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly hint: string;
    readonly where?: string;
    readonly problems?: readonly Problem[];
  };
}

/**
 * A mistake or a circumstance that the user can do something about: printed as one diagnostic, without a stack.
 * Anything else that is thrown is a bug of ours and keeps its stack.
 */
export class DarumaError extends Error {
  override readonly name = "DarumaError";
  readonly code: string;
  readonly hint: string;
  readonly exit: ExitCode;
  readonly where: string | undefined;
  readonly problems: readonly Problem[];

  constructor(code: string, entry: ErrorEntry, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.hint = details.hint ?? entry.remedy;
    this.exit = entry.exit;
    this.where = details.where;
    this.problems = details.problems ?? [];
  }

  toDocument(): ErrorDocument {
    return {
      schemaVersion: 1,
      error: {
        code: this.code,
        message: this.message,
        hint: this.hint,
        ...(this.where === undefined ? {} : { where: this.where }),
        ...(this.problems.length === 0 ? {} : { problems: this.problems }),
      },
    };
  }
}

export interface Errors<C extends Catalogue> {
  readonly catalogue: C;
  /** Makes (does not throw) the error `code`; `message` says what happened this time, in one sentence. */
  make(code: keyof C & string, message: string, details?: ErrorDetails): DarumaError;
}

/** A package's error catalogue. The codes are stable, documented in docs/reference/errors.md, and what tests assert on. */
export function defineErrors<const C extends Catalogue>(catalogue: C): Errors<C> {
  return {
    catalogue,
    make(code, message, details) {
      const entry = catalogue[code];
      if (entry === undefined) throw new Error(`error code ${code} is not in the catalogue`);
      return new DarumaError(code, entry, message, details);
    },
  };
}

/** True for errors made by any copy of this package (a bundle carries its own). */
export function isDarumaError(value: unknown): value is DarumaError {
  return value instanceof Error && value.name === "DarumaError" && "code" in value && "hint" in value;
}

/** The system error code (`ENOENT`, …) of something thrown, if it has one. */
export function systemCode(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
