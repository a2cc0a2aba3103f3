import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Script } from "node:vm";
import t from "tap";
import {
  evaluateNix,
  nixInstantiate,
  nixPath,
  nixpkgsLib,
  packages,
  withoutModules,
  withoutNix,
} from "./support.ts";

/*
 * tests/nixos cannot be run where Daruma is developed: there is neither a NixOS nor a nixpkgs. What can be told without is
 * told here: they parse, evaluate with stand-ins for nixpkgs, are programs of Python, and say what tests/host says.
 */

const directory = fileURLToPath(new URL("../nixos/", import.meta.url));
const files = readdirSync(directory).filter((file) => file.endsWith(".nix"));
const names = files.filter((file) => file !== "lib.nix").map((file) => file.slice(0, -".nix".length));

/** Files of tests/host whose scenarios are here too. */
const themes = [
  "detectors",
  "drift",
  "egress",
  "heal",
  "memory",
  "rollback",
  "routines",
  "standstill",
  "watchdog",
];

const withoutPython = spawnSync("python3", ["--version"]).status !== 0 && "no python3 on PATH";

/** What the tests take from nixpkgs' lib, and from pkgs beside what units.nix takes. */
const standIns = `
  lib = {
    inherit (builtins) attrValues mapAttrs;
    getExe = package: "\${package}/bin/program";
    getExe' = package: name: "\${package}/bin/\${name}";
    mkForce = value: value;
  };
  file = name: "/nix/store/00000000000000000000000000000000-\${name}";
  pkgs = ${packages} // {
    curl = "/stub/curl";
    iproute2 = "/stub/iproute2";
    stdenv.hostPlatform.system = "x86_64-linux";
    symlinkJoin = { name, ... }: file name;
    writeShellScript = name: _: file name;
    # With what is in it, for programsOf.
    writeText = name: text: file "\${name}:\${text}";
  };
`;

interface Deploy {
  readonly services: {
    readonly daruma: Readonly<Partial<Record<"agents" | "routines", Readonly<Record<string, unknown>>>>>;
  };
}

interface NixosTest {
  readonly name: string;
  readonly nodes: readonly string[];
  readonly machine: { readonly virtualisation: { readonly additionalPaths: readonly string[] } };
  /** What each deploy adds to the machine. */
  readonly deploys: Readonly<Record<string, readonly Partial<Deploy>[]>>;
  readonly script: string;
}

let known: Readonly<Record<string, NixosTest>> | undefined;

/** The tests by the names of their files. A deploy is not a system here, only the list of what its modules say. */
function evaluated(): Readonly<Record<string, NixosTest>> {
  known ??= evaluateNix(`
    let
      ${standIns}
      call = value: if builtins.isFunction value then value arguments else value;
      arguments = {
        inherit lib pkgs;
        options.services.daruma.package.default = "/stub/daruma";
      };
      said = module:
        let definition = call module; in
        [ (builtins.removeAttrs definition [ "imports" ]) ] ++ builtins.concatMap said (definition.imports or [ ]);
      evaluated = name:
        let
          test = import (${nixPath("tests/nixos")} + "/\${name}.nix") { inherit lib; };
          machine = test.nodes.machine (arguments // {
            config = machine;
            extendModules = { modules }: {
              config.system.build.toplevel = builtins.concatMap said modules;
            };
          });
          # Store paths by name: what a script gets to see of them.
          paths = builtins.mapAttrs (deploy: _: file deploy) machine.system.build.deploys;
        in
        {
          inherit (test) name;
          nodes = builtins.attrNames test.nodes;
          machine = builtins.removeAttrs machine [ "imports" "system" ];
          deploys = machine.system.build.deploys;
          script = test.testScript { nodes.machine.system.build.deploys = paths; };
        };
    in
    builtins.listToAttrs (map (name: { inherit name; value = evaluated name; }) ${nixList(names)})
  `) as Readonly<Record<string, NixosTest>>;
  return known;
}

function nixList(words: readonly string[]): string {
  return `[ ${words.map((word) => JSON.stringify(word)).join(" ")} ]`;
}

/** The sentences of `scenario("…", …)` in a file of tests/host, in their order. */
function scenariosOf(theme: string): readonly string[] {
  const text = readFileSync(new URL(`../host/${theme}.test.ts`, import.meta.url), "utf8");
  const calls = text.match(/^scenario\(/gm) ?? [];
  const sentences = [...text.matchAll(/^scenario\(\s*("(?:[^"\\]|\\.)*")/gm)].map(([, sentence = ""]) =>
    String(JSON.parse(sentence)),
  );
  if (sentences.length !== calls.length)
    throw new Error(`${theme}.test.ts has a scenario without a sentence`);
  return sentences;
}

/** The sentences of `with subtest("…"):` in a script, in their order. */
function subtestsOf(script: string): readonly string[] {
  return [...script.matchAll(/^with subtest\("(.*)"\):$/gm)].map(([, sentence = ""]) => sentence);
}

t.test("every file has a kebab-case name, and parses", { skip: withoutNix }, async (t) => {
  if (nixInstantiate === undefined) throw new Error("there is no Nix to ask");
  for (const file of files) t.match(file, /^[a-z]+(-[a-z]+)*\.nix$/);
  const state = t.testdir({});
  const parsed = execFileSync(nixInstantiate, ["--parse", ...files.map((file) => join(directory, file))], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, HOME: state, NIX_REMOTE: "", NIX_STATE_DIR: state, NIX_STORE_DIR: state },
  });
  t.equal(parsed.trim().split("\n").length, files.length);
});

t.test("each has a name, one machine, deploys and a script", { skip: withoutNix }, async (t) => {
  for (const [name, test] of Object.entries(evaluated())) {
    t.equal(test.name, `daruma-${name}`);
    t.same(test.nodes, ["machine"], name);
    t.equal(test.machine.virtualisation.additionalPaths.length, Object.keys(test.deploys).length, name);
    for (const [deploy, modules] of Object.entries(test.deploys)) {
      const units = modules.flatMap(({ services }) => [
        ...Object.keys(services?.daruma.agents ?? {}),
        ...Object.keys(services?.daruma.routines ?? {}),
      ]);
      t.not(units.length, 0, `${name}: ${deploy} has agents or routines`);
    }
  }
});

t.test(
  "every deploy of a script is one of its machine, and every one is used",
  { skip: withoutNix },
  async (t) => {
    for (const [name, { deploys, script }] of Object.entries(evaluated())) {
      const used = [...script.matchAll(/\b(?:deploy\("|toplevels\[['"])(\w+)/g)].map(([, deploy]) => deploy);
      t.same([...new Set(used)].sort(), Object.keys(deploys).sort(), name);
    }
  },
);

/** The programs for Node and for the shell that a deploy brings, by the names of their files. */
function programsOf(modules: unknown): readonly (readonly [file: string, code: string])[] {
  if (typeof modules === "string") {
    const [, file, code] = /\/0{32}-([a-z]+\.(?:js|sh)):(.*)$/s.exec(modules) ?? [];
    return file === undefined || code === undefined ? [] : [[file, code]];
  }
  return typeof modules === "object" && modules !== null ? Object.values(modules).flatMap(programsOf) : [];
}

t.test("every agent is a program", { skip: withoutNix }, async (t) => {
  for (const [name, { deploys }] of Object.entries(evaluated())) {
    for (const [deploy, modules] of Object.entries(deploys)) {
      const programs = programsOf(modules);
      t.not(programs.length, 0, `${name}: ${deploy}`);
      for (const [filename, code] of programs) {
        if (filename.endsWith(".js")) t.ok(new Script(code, { filename }), `${name}: ${filename}`);
        else
          t.equal(execFileSync("sh", ["-n"], { input: code, encoding: "utf8" }), "", `${name}: ${filename}`);
      }
    }
  }
});

/** What is wrong with scripts, by their names, in one process of Python. */
function problemsIn(scripts: Readonly<Record<string, string>>): Readonly<Record<string, readonly string[]>> {
  const checker = fileURLToPath(new URL("check-scripts.py", import.meta.url));
  const output = execFileSync("python3", ["-B", checker], {
    input: JSON.stringify(scripts),
    encoding: "utf8",
  });
  return JSON.parse(output) as Readonly<Record<string, readonly string[]>>;
}

/** Lines that are wrong, and what is said of each. */
const mistakes: readonly (readonly [script: string, problem: string])[] = [
  ["machine.succeed('true'", "'(' was never closed"],
  ["machine.succeeds('true')", "a Machine has no succeeds"],
  ["machine.succeed('true', time=1)", "succeed has no parameter time"],
  ["machine.get_unit_property('x.service')", "get_unit_property needs property"],
  ["machine.wait_for_unit()", "wait_for_unit needs unit"],
  ["machine.wait_for_unit('a', None, 9, 1)", "wait_for_unit takes 3 arguments, and is given 4"],
  ["machine.wait_for_unit('a', unit='a')", "wait_for_unit is given unit twice"],
  ["machine.succeed(1)", "succeed takes str as commands, and is given int"],
  [
    "machine.wait_for_file(f'{machine.name}', timeout='9')",
    "wait_for_file takes int as timeout, and is given str",
  ],
  ["machine.execute('x').strip()", "a tuple has no strip"],
  ["machine.succeed('x').strips()", "a str has no strips"],
  ["code, out = machine.succeed('x')", "str is taken apart into 2"],
  ["a, b, c = machine.execute('x')", "tuple[int, str] is taken apart into 3"],
  ["with subtest(): pass", "subtest needs name"],
  ["def own(a: str, *, b: int = 1) -> None: ...\nown('a', c=1)", "own has no parameter c"],
  ["nobody()", "there is no nobody"],
];

t.test(
  "every script is a program of Python that calls the driver as the driver wants it",
  { skip: withoutNix || withoutPython },
  async (t) => {
    const scripts = Object.entries(evaluated()).map(([name, { script }]) => [name, script] as const);
    const right = "code, _ = machine.execute('x', timeout=None)\nmachine.succeed(*['a'], 'b').strip()";
    const wrong = mistakes.map(([script], index) => [String(index), script] as const);
    const problems = problemsIn(Object.fromEntries([...scripts, ["right", right], ...wrong]));
    for (const name of [...names, "right"]) t.same(problems[name], [], name);
    for (const [index, [script, problem]] of mistakes.entries()) {
      const [first, ...others] = problems[index] ?? [];
      t.match(first, problem, script);
      t.same(others, [], script);
    }
  },
);

t.test(
  "every scenario of the test host is a subtest, and every subtest a scenario",
  { skip: withoutNix },
  async (t) => {
    const told = Object.entries(evaluated()).flatMap(([name, { script }]) => {
      const sentences = subtestsOf(script);
      t.not(sentences.length, 0, name);
      return sentences;
    });
    t.same(told.sort(), themes.flatMap(scenariosOf).sort());
  },
);

t.test("the modules take every deploy of the NixOS tests", { skip: withoutModules }, async (t) => {
  // What several tests deploy is evaluated for one of them.
  const asked = new Map<string, readonly [name: string, deploy: string]>();
  for (const [name, { deploys }] of Object.entries(evaluated())) {
    const said = Object.entries(deploys).map(
      ([deploy, modules]) => [JSON.stringify(modules), deploy] as const,
    );
    t.equal(new Map(said).size, said.length, `${name}: no two deploys are the same`);
    for (const [modules, deploy] of said) asked.set(modules, [name, deploy]);
  }
  const systems = evaluateNix(`
    let
      lib = import (/. + ${JSON.stringify(nixpkgsLib)});
      package = name: derivation { inherit name; system = "x86_64-linux"; builder = "/bin/sh"; };
      file = name: text: derivation {
        inherit name text;
        system = "x86_64-linux";
        builder = "/bin/sh";
      };
      pkgs = lib.genAttrs [ "coreutils" "curl" "iproute2" "nftables" "nix" "nodejs_24" "systemd" ] package // {
        runtimeShell = "/bin/bash";
        callPackage = path: _: package (baseNameOf path);
        stdenv.hostPlatform.system = "x86_64-linux";
        symlinkJoin = { name, paths, postBuild }: file name "\${toString paths} \${postBuild}";
        writeScript = file;
        runCommand = name: settings: script: derivation (settings // {
          inherit name;
          system = "x86_64-linux";
          builder = "/bin/sh";
          args = [ "-c" script ];
        });
        writeShellScript = file;
        writeText = name: file (builtins.replaceStrings [ "/" ] [ "-" ] name);
      };
      machine = name: (lib.evalModules {
        specialArgs.pkgs = pkgs;
        modules = [
          ${nixPath("tests/nix/nixos.nix")}
          (import (${nixPath("tests/nixos")} + "/\${name}.nix") { inherit lib; }).nodes.machine
        ];
      }).config;
      machines = lib.genAttrs ${nixList(names)} machine;
    in
    map (asked: machines.\${builtins.head asked}.system.build.deploys.\${lib.last asked}.outPath) [
      ${[...asked.values()].map(nixList).join("\n")}
    ]
  `) as readonly string[];
  t.equal(new Set(systems).size, asked.size, "each deploy is another system");
});
