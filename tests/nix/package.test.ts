import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { evaluateNix, nixPath, nixpkgsLib, withoutModules, withoutNix } from "./support.ts";

/* nix/package.nix cannot be built without nixpkgs; what it builds from can be. */

const root = fileURLToPath(new URL("../../", import.meta.url));

interface Entry {
  readonly resolved?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

interface Locked {
  readonly package: { readonly devDependencies: Readonly<Record<string, string>> };
  readonly packageLock: { readonly packages: Readonly<Record<string, Entry>> };
}

/** What importNpmLock is given. */
function lockedFor(cpu: string): Locked {
  return evaluateNix(`import ${nixPath("nix/npm-lock.nix")} {
    package = builtins.fromJSON (builtins.readFile ${nixPath("package.json")});
    lock = builtins.fromJSON (builtins.readFile ${nixPath("package-lock.json")});
    cpu = ${JSON.stringify(cpu)};
    registry = "https://npm.example";
  }`) as Locked;
}

t.test(
  "the bundles are built from nothing but the modules that are kept",
  { skip: withoutNix },
  async (t) => {
    const tree = t.testdir({});
    const copy = (path: string) => {
      mkdirSync(join(tree, dirname(path)), { recursive: true });
      // Hard links: a symbolic link would be followed to everything that is installed here.
      execFileSync("cp", ["-al", join(root, path), join(tree, path)]);
    };
    const sources = [
      "package.json",
      "packages",
      "scripts/build.ts",
      "scripts/bundle",
      "templates",
      "tsconfig.json",
    ];
    for (const path of sources) copy(path);
    for (const [path, { link = false, resolved = "" }] of Object.entries(
      lockedFor(process.arch).packageLock.packages,
    )) {
      if (link) {
        mkdirSync(join(tree, dirname(path)), { recursive: true });
        symlinkSync(join(tree, resolved), join(tree, path));
      } else if (!existsSync(join(tree, path))) copy(path);
    }
    execFileSync(process.execPath, ["scripts/build.ts"], { cwd: tree });
    const version = execFileSync(process.execPath, [join(tree, "dist/agentctl.mjs"), "--version"], {
      encoding: "utf8",
    });
    t.match(version, JSON.parse(readFileSync(join(root, "package.json"), "utf8")).version);
  },
);

t.test("every module is ours, or has an address and a hash", { skip: withoutNix }, async (t) => {
  const { packages } = lockedFor("x64").packageLock;
  for (const [path, { integrity, link, resolved }] of Object.entries(packages)) {
    if (!path.startsWith("node_modules/")) t.same([integrity, resolved], [undefined, undefined], path);
    else if (link) t.ok(existsSync(join(root, String(resolved), "package.json")), path);
    else {
      t.match(integrity, /^sha512-[A-Za-z0-9+/]{86}==$/, path);
      t.match(resolved, /^https:\/\/npm\.example\/(@[^/]+\/)?[^/]+\/-\/[^/]+\.tgz$/, path);
    }
  }
  t.match(packages, {
    "node_modules/@esbuild/linux-x64": { resolved: /\/@esbuild\/linux-x64\/-\/linux-x64-[0-9.]+\.tgz$/ },
    "node_modules/@daruma/base": { resolved: "packages/base", link: true },
    "node_modules/effect": { resolved: /\/effect\/-\/effect-[0-9.]+\.tgz$/ },
  });
});

t.test("whatever a kept package depends on is kept", { skip: withoutNix }, async (t) => {
  const { package: ours, packageLock } = lockedFor("x64");
  t.same(Object.keys(ours.devDependencies), ["esbuild"]);
  for (const [path, { dependencies = {}, devDependencies = {} }] of Object.entries(packageLock.packages)) {
    // npm installs those of a workspace as well.
    const wanted = { ...dependencies, ...(path.startsWith("packages/") && devDependencies) };
    for (const name of Object.keys(wanted)) {
      const places = [`${path}/node_modules/${name}`, `node_modules/${name}`];
      t.ok(
        places.some((place) => place in packageLock.packages),
        `${path || "the root"} has ${name}`,
      );
    }
  }
});

t.test("the recipe evaluates with nixpkgs' lib", { skip: withoutModules }, async (t) => {
  const recipe = evaluateNix(`
    let
      lib = import (/. + ${JSON.stringify(nixpkgsLib)});
      package = name: derivation { inherit name; system = "x86_64-linux"; builder = "/bin/sh"; };
      recipe = import ${nixPath("nix/package.nix")} {
        inherit lib;
        autoPatchelfHook = package "hook";
        buildNpmPackage = lib.fix;
        fetchurl = { url, hash }: "fetched(\${url} \${hash})";
        importNpmLock = {
          __functor = _: { npmRoot, package, packageLock, packageSourceOverrides }: {
            inherit package packageLock packageSourceOverrides;
            base = "\${npmRoot + "/packages/base"}";
          };
          npmConfigHook = "npm-config-hook";
        };
        makeBinaryWrapper = package "wrapper";
        nodejs_24 = package "nodejs" // { meta.mainProgram = "node"; };
        stdenv = { buildPlatform.isAarch64 = true; cc.cc = package "cc"; };
      };
    in
    { inherit (recipe) installPhase meta npmConfigHook npmDeps version; src = "\${recipe.src}"; }
  `) as { readonly npmDeps: Locked & { readonly packageSourceOverrides: Readonly<Record<string, string>> } };
  t.match(recipe, {
    installPhase:
      /watchd\) options='--max-semi-space-size=1 [^']*' ;; [\s\S]*watchd\) environment='--set-default MALLOC_ARENA_MAX 1 [^']*' ;; [\s\S]*\/bin\/node \$out\/bin\/\$program \$environment/,
    meta: { license: { spdxId: "Apache-2.0" } },
    npmConfigHook: "npm-config-hook",
    npmDeps: { base: /-source\/packages\/base$/ },
    src: /-source$/,
  });
  // importNpmLock knows no mirror://, so that all that is of a registry has to be handed to it.
  const { packageLock, packageSourceOverrides } = recipe.npmDeps;
  const fetched = Object.entries(packageLock.packages).flatMap(([path, { integrity, link, resolved }]) =>
    path.startsWith("node_modules/") && !link ? [[path, `fetched(${resolved} ${integrity})`]] : [],
  );
  t.same(packageSourceOverrides, Object.fromEntries(fetched));
  t.match(packageSourceOverrides, {
    "node_modules/@esbuild/linux-arm64": /^fetched\(mirror:\/\/npm\/@esbuild\/linux-arm64\/-\/linux-arm64-/,
  });
});

t.test(
  "each machine gets its own esbuild, and no machine gets test tools",
  { skip: withoutNix },
  async (t) => {
    for (const [cpu, other] of [
      ["x64", "arm64"],
      ["arm64", "x64"],
    ] as const) {
      const paths = Object.keys(lockedFor(cpu).packageLock.packages);
      t.ok(paths.includes(`node_modules/@esbuild/linux-${cpu}`));
      t.notOk(paths.includes(`node_modules/@esbuild/linux-${other}`));
      t.notOk(paths.includes("node_modules/tap"));
    }
  },
);

t.test("the shell programs that the package installs are there", async (t) => {
  const recipe = readFileSync(join(root, "nix/package.nix"), "utf8");
  const installed = [...recipe.matchAll(/install -D --mode=0755 (\S+) \$out\/libexec\/daruma\/(\S+)/g)];
  t.same(
    installed.map(([, , name]) => name),
    ["rollback", "egress-wall", "watchd-failed", "pre-switch", "stand-ins", "boot-complete"],
  );
  for (const [, path = ""] of installed) t.match(readFileSync(join(root, path), "utf8"), /^#!\/bin\/sh\n/);
});
