import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import type { Problem } from "@daruma/base";
import type { Fleet, PackageReference, Word } from "@daruma/config";
import type { CheckOptions, Outcome } from "./step.ts";
import { firstProgram } from "./types.ts";

type Files = ReadonlyMap<string, string>;

/**
 * Has Nix, where it is there, parse and evaluate what the fleet compiles to, without nixpkgs and without touching the
 * machine's store: packages are stand-ins, and sources stay paths. What your nixpkgs makes of it is for `nix flake check`.
 */
export async function checkNix(files: Files, fleet: Fleet, options: CheckOptions): Promise<Outcome> {
  const places = options.path.split(delimiter).filter((each) => each !== "");
  const program = await firstProgram(places.map((each) => join(each, "nix-instantiate")));
  if (program === undefined) return { skipped: "there is no Nix (nix-instantiate) on PATH" };
  const home = await mkdtemp(join(tmpdir(), "daruma-check-"));
  try {
    const nix: Nix = { program, home, signal: options.signal };
    const problems = await parseAll(nix, files);
    return problems.length > 0 ? problems : await evaluateAll(nix, files, fleet);
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

interface Nix {
  readonly program: string;
  readonly home: string;
  readonly signal: AbortSignal;
}

async function parseAll(nix: Nix, files: Files): Promise<readonly Problem[]> {
  const copies = await Promise.all(
    [...files].map(async ([path, content]) => {
      const copy = join(nix.home, "files", path);
      await mkdir(dirname(copy), { recursive: true });
      await writeFile(copy, content);
      return copy;
    }),
  );
  if (copies.length === 0) return [];
  const failed = await run(nix, ["--parse", ...copies]);
  if (failed === undefined) return [];
  const path = [...files.keys()].find((each) => failed.includes(`${nix.home}/files/${each}`)) ?? "generated";
  return [problem(path, "does not parse", failed)];
}

async function evaluateAll(nix: Nix, files: Files, fleet: Fleet): Promise<readonly Problem[]> {
  // In place of copying sources to a store: what becomes of them is not what is checked here.
  const builtinsHere = "builtins // { path = { path, name }: toString path; }";
  const hosts = [...files.keys()].map(
    (path) =>
      `(builtins.scopedImport { builtins = ${builtinsHere}; } (/. + ${quote(join(nix.home, "files", path))}) { lib = { }; pkgs = ${packagesOf(fleet)}; }).services.daruma`,
  );
  const expression = join(nix.home, "evaluate.nix");
  await writeFile(expression, `builtins.deepSeq [ ${hosts.join(" ")} ] true`);
  const failed = await run(nix, ["--readonly-mode", "--eval", "--strict", expression]);
  if (failed === undefined) return [];
  const path = [...files.keys()].find((each) => failed.includes(`/files/${each}`)) ?? "generated";
  return [problem(path, "does not evaluate", failed)];
}

function problem(path: string, what: string, said: string): Problem {
  return { code: "CHECK_E_NIX", path, message: `${what}: ${said.trim().slice(-1000)}` };
}

/** What `pkgs` is here: every attribute that the fleet names, as a text. */
function packagesOf(fleet: Fleet): string {
  type Tree = Map<string, Tree>;
  const root: Tree = new Map();
  for (const { attribute } of packageReferences(fleet)) {
    let at = root;
    for (const part of attribute.split(".")) {
      const next = at.get(part) ?? new Map();
      at.set(part, next);
      at = next;
    }
  }
  // A package that has others below it, such as python3 and python3.pkgs, is a text and a set at the same time.
  const print = (tree: Tree): string => {
    const below = [...tree].map(([name, each]) => `${quote(name)} = ${print(each)};`);
    return `{ __toString = _: "/package"; ${below.join(" ")} }`;
  };
  return print(root);
}

function packageReferences(fleet: Fleet): PackageReference[] {
  const isPackage = (word: Word): word is PackageReference =>
    typeof word !== "string" && word.ref === "nixpkg";
  return Object.values(fleet.hosts).flatMap(({ agents }) =>
    Object.values(agents).flatMap(({ command, environment }) =>
      [...command, ...Object.values(environment)].filter(isPackage),
    ),
  );
}

/** What it says on stderr when it fails. */
async function run({ program, home, signal }: Nix, args: readonly string[]): Promise<string | undefined> {
  const child = spawn(program, args, {
    stdio: ["ignore", "ignore", "pipe"],
    signal,
    env: {
      PATH: process.env.PATH,
      HOME: home,
      NIX_CONF_DIR: home,
      NIX_LOCALSTATE_DIR: join(home, "var"),
      NIX_LOG_DIR: join(home, "log"),
      NIX_STATE_DIR: join(home, "state"),
      NIX_STORE_DIR: join(home, "store"),
    },
  });
  const ended = new Promise<number | null>((settle, fail) => child.once("error", fail).once("close", settle));
  const [code, said] = await Promise.all([ended, text(child.stderr)]);
  return code === 0 ? undefined : said;
}

function quote(value: string): string {
  return `"${value.replaceAll(/[\\"$]/g, "\\$&")}"`;
}
