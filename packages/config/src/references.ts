/**
 * A file of a package in nixpkgs. It stays symbolic until Nix builds the host: a plain object, so that it survives JSON.
 */
export interface PackageReference {
  readonly ref: "nixpkg";
  /** Dotted attribute path below `pkgs`, such as `nodejs_24` or `python3Packages.pip`. */
  readonly attribute: string;
  /** Path inside the package, such as `bin/node`. */
  readonly path: string;
}

/** A file of the user's own code. Its whole directory becomes part of the generation. */
export interface SourceReference {
  readonly ref: "source";
  /** Absolute, or relative to the fleet file. */
  readonly directory: string;
  /** Path inside the directory. */
  readonly file: string;
}

/** One word of a command, or one value of the environment. */
export type Word = string | PackageReference | SourceReference;

/**
 * Refers to `path` inside the nixpkgs package `attribute`: `nixpkg("nodejs_24", "bin/node")`. Nothing is checked here;
 * what is wrong is reported together with all else that is wrong in the fleet.
 */
export function nixpkg(attribute: string, path: string): PackageReference {
  return { ref: "nixpkg", attribute, path };
}

/**
 * Refers to `file` inside `directory`, a directory of code beside the fleet file: `source("./enricher", "main.js")`. The
 * directory is copied into each generation, so that rolling back brings the old code back.
 */
export function source(directory: string, file: string): SourceReference {
  return { ref: "source", directory, file };
}

/** What is wrong with an attribute path, or undefined. */
export function attributeProblem(attribute: string): string | undefined {
  const segment = /^[A-Za-z0-9_][A-Za-z0-9_'+-]*$/;
  if (attribute.length <= 256 && attribute.split(".").every((part) => segment.test(part))) return undefined;
  return "must be a dotted attribute path below pkgs, such as nodejs_24 or python3Packages.pip";
}

/** What is wrong with a path that has to stay inside a package or a directory, or undefined. */
export function innerPathProblem(path: string): string | undefined {
  if (path.startsWith("/")) return "must be a relative path";
  const parts = path.split("/");
  if (parts.includes("..")) return 'must not leave its directory: ".." is not allowed';
  if (parts.includes("") || parts.includes(".")) {
    return 'must be a plain relative path, such as "bin/node", without empty or "." parts';
  }
  return undefined;
}

/** What is wrong with the directory of a source, or undefined. */
export function directoryProblem(directory: string): string | undefined {
  return directory === "" ? 'must name a directory, such as "./enricher"' : undefined;
}
