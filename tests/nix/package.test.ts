import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { evaluateNix, nixPath, nixpkgsLib, withoutModules, withoutNix } from "./support.ts";

/* nix/package.nix cannot be built without nixpkgs; what it builds from can be. */

const root = fileURLToPath(new URL("../../", import.meta.url));

type Module =
  | { readonly path: string; readonly url: string; readonly hash: string }
  | { readonly path: string; readonly link: string };

function modulesFor(cpu: string): readonly Module[] {
  return evaluateNix(`import ${nixPath("nix/npm-modules.nix")} {
    lock = builtins.fromJSON (builtins.readFile ${nixPath("package-lock.json")});
    cpu = ${JSON.stringify(cpu)};
    registry = "https://npm.example";
  }`) as readonly Module[];
}

t.test("the bundles are built from nothing but the listed modules", { skip: withoutNix }, async (t) => {
  const tree = t.testdir({});
  const copy = (path: string) => {
    mkdirSync(join(tree, dirname(path)), { recursive: true });
    // Hard links: a symbolic link would be followed to everything that is installed here.
    execFileSync("cp", ["-al", join(root, path), join(tree, path)]);
  };
  for (const path of ["package.json", "packages", "scripts/build.ts", "scripts/bundling.ts", "templates"])
    copy(path);
  for (const each of modulesFor(process.arch)) {
    if ("link" in each) {
      mkdirSync(join(tree, dirname(each.path)), { recursive: true });
      symlinkSync(join(tree, each.link), join(tree, each.path));
    } else if (!existsSync(join(tree, each.path))) copy(each.path);
  }
  execFileSync(process.execPath, ["scripts/build.ts"], { cwd: tree });
  const version = execFileSync(process.execPath, [join(tree, "dist/agentctl.mjs"), "--version"], {
    encoding: "utf8",
  });
  t.match(version, JSON.parse(readFileSync(join(root, "package.json"), "utf8")).version);
});

t.test("every module of the registry is fetched by its hash", { skip: withoutNix }, async (t) => {
  const modules = modulesFor("x64");
  for (const each of modules) {
    if ("link" in each) t.ok(existsSync(join(root, each.link, "package.json")), each.path);
    else {
      t.match(each.hash, /^sha512-[A-Za-z0-9+/]{86}==$/, each.path);
      t.match(each.url, /^https:\/\/npm\.example\/(@[^/]+\/)?[^/]+\/-\/[^/]+\.tgz$/, each.path);
    }
  }
  const url = (path: string) => modules.find((each) => each.path === path && "url" in each);
  t.match(url("node_modules/@esbuild/linux-x64"), {
    url: /^https:\/\/npm\.example\/@esbuild\/linux-x64\/-\/linux-x64-[0-9.]+\.tgz$/,
  });
  t.match(url("node_modules/effect"), { url: /\/effect\/-\/effect-[0-9.]+\.tgz$/ });
});

t.test("the recipe evaluates with nixpkgs' lib", { skip: withoutModules }, async (t) => {
  const recipe = evaluateNix(`
    let
      lib = import (/. + ${JSON.stringify(nixpkgsLib)});
      package = name: derivation { inherit name; system = "x86_64-linux"; builder = "/bin/sh"; };
      recipe = import ${nixPath("nix/package.nix")} {
        inherit lib;
        autoPatchelfHook = package "hook";
        fetchurl = { url, hash }: "fetched(\${url})";
        makeBinaryWrapper = package "wrapper";
        npmRegistry = "https://npm.example";
        nodejs_24 = package "nodejs" // { meta.mainProgram = "node"; };
        stdenv = { buildPlatform.isAarch64 = true; cc.cc = package "cc"; mkDerivation = recipe: recipe; };
      };
    in
    { inherit (recipe) configurePhase installPhase meta version; src = "\${recipe.src}"; }
  `);
  t.match(recipe, {
    configurePhase: /--file=fetched\(https:\/\/npm\.example\/@esbuild\/linux-arm64\/-\//,
    installPhase: /watchd\) options='?--max-semi-space-size=1'? ;; [\s\S]*\/bin\/node \$out\/bin\/\$program/,
    meta: { license: { spdxId: "Apache-2.0" } },
    src: /-source$/,
  });
  t.match(recipe, { configurePhase: /ln -s "\$PWD\/"packages\/base node_modules\/@daruma\/base\n/ });
});

t.test(
  "each machine gets its own esbuild, and no machine gets test tools",
  { skip: withoutNix },
  async (t) => {
    for (const [cpu, other] of [
      ["x64", "arm64"],
      ["arm64", "x64"],
    ] as const) {
      const paths = modulesFor(cpu).map(({ path }) => path);
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
