import { execFileSync } from "node:child_process";
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { delimiter, join } from "node:path";

/** Where a real Nix is there, tests ask it too. This is how they find it, and why they skip where it is not. */
export const nixInstantiate = findNix();
export const withoutNix = nixInstantiate === undefined && "no nix-instantiate on PATH or in NIX_INSTANTIATE";

/** nixpkgs' lib, for tests that need its module system. */
export const nixpkgsLib = firstReadable([
  process.env.NIXPKGS_LIB,
  join(homedir(), ".cache/daruma/nixpkgs/lib"),
]);
export const withoutLib =
  withoutNix || (nixpkgsLib === undefined && "no nixpkgs lib in NIXPKGS_LIB or ~/.cache/daruma/nixpkgs/lib");

/** Evaluates one expression strictly, without a daemon and without touching a store of the machine. */
export function evaluateNix(expression: string): unknown {
  if (nixInstantiate === undefined) throw new Error("there is no Nix to ask");
  const home = mkdtempSync(join(tmpdir(), "daruma-nix-"));
  try {
    const file = join(home, "expression.nix");
    writeFileSync(file, expression);
    const output = execFileSync(nixInstantiate, ["--readonly-mode", "--eval", "--strict", "--json", file], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      maxBuffer: 1 << 28,
      env: {
        ...process.env,
        HOME: home,
        NIX_CONF_DIR: home,
        NIX_LOCALSTATE_DIR: join(home, "var"),
        NIX_LOG_DIR: join(home, "log"),
        NIX_REMOTE: "",
        NIX_STATE_DIR: join(home, "state"),
        NIX_STORE_DIR: join(home, "store"),
      },
    });
    return JSON.parse(output);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

function findNix(): string | undefined {
  const named = process.env.NIX_INSTANTIATE;
  if (named !== undefined && named !== "") return named;
  const directories = (process.env.PATH ?? "").split(delimiter).filter((directory) => directory !== "");
  return firstReadable(directories.map((directory) => join(directory, "nix-instantiate")));
}

function firstReadable(paths: readonly (string | undefined)[]): string | undefined {
  return paths.find((path) => {
    if (path === undefined || path === "") return false;
    try {
      accessSync(path, constants.R_OK);
      return true;
    } catch {
      return false;
    }
  });
}
