import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import t from "tap";
import { evaluateNix, nixPath, withoutNix } from "./support.ts";

const lock: unknown = JSON.parse(readFileSync(new URL("../../flake.lock", import.meta.url), "utf8"));

t.test("the flake has a module, and a package and tests for each system", { skip: withoutNix }, async (t) => {
  const found = evaluateNix(`
    let
      systems = [ "x86_64-linux" "aarch64-linux" ];
      nixpkgs = {
        outPath = "/nixpkgs";
        lib.nixosSystem = { modules }: map toString (builtins.filter builtins.isPath modules);
        lib.hasSuffix = end: name: name != nixpkgs.lib.removeSuffix end name;
        lib.removeSuffix = end: builtins.replaceStrings [ end ] [ "" ];
        lib.genAttrs = names: make: builtins.listToAttrs (map (name: { inherit name; value = make name; }) names);
        legacyPackages = nixpkgs.lib.genAttrs systems (system: {
          callPackage = path: _: "\${system}:\${baseNameOf path}";
          runCommand = name: _: _: "\${system}:\${name}";
          mkShell = { packages, NIXPKGS_LIB }: "\${system}:\${toString packages} \${NIXPKGS_LIB}";
          writeShellApplication = { name, runtimeInputs, text }: "/\${system}/\${name}";
          coreutils = "coreutils"; git = "git"; gnumake = "make"; nix = "nix"; nodejs_24 = "node"; python3 = "python";
          nixfmt-tree = "\${system}:formatter";
          testers.runNixOSTest = path: {
            inherit system;
            file = baseNameOf path;
            exists = builtins.pathExists path;
          };
        });
      };
      flake = import ${nixPath("flake.nix")};
      outputs = flake.outputs { self = outputs // { outPath = "/source"; }; inherit nixpkgs; };
    in {
      inherit (outputs) apps checks devShells packages formatter;
      overlay = (outputs.overlays.default { callPackage = path: _: baseNameOf path; } { }).daruma;
      hosts = outputs.lib.nixosConfigurations {
        generated = ${nixPath("templates/fleet/generated")};
        modules = host: [ (/. + "/machines/\${host}") ];
      };
      names = builtins.attrNames outputs;
      template = builtins.pathExists (outputs.templates.default.path + "/fleet.config.ts");
      module = builtins.pathExists outputs.nixosModules.default;
      inputs = flake.inputs;
    }
  `);
  const path = (relative: string) => fileURLToPath(new URL(`../../${relative}`, import.meta.url));
  const fleetHosts = readdirSync(path("templates/fleet/generated"));
  const nixosTests = () =>
    readdirSync(new URL("../nixos", import.meta.url))
      .filter((file) => file.endsWith(".nix") && file !== "lib.nix")
      .map((file) => file.slice(0, -".nix".length));
  const forSystems = (value: (system: string) => unknown) =>
    Object.fromEntries(["x86_64-linux", "aarch64-linux"].map((system) => [system, value(system)]));
  t.same(found, {
    names: [
      "apps",
      "checks",
      "devShells",
      "formatter",
      "lib",
      "nixosModules",
      "overlays",
      "packages",
      "templates",
    ],
    overlay: "package.nix",
    hosts: Object.fromEntries(
      fleetHosts.map((host) => [
        host,
        [path("modules"), path(`templates/fleet/generated/${host}`), `/machines/${host}`],
      ]),
    ),
    apps: forSystems((system) => ({
      demo: {
        type: "app",
        meta: { description: "See a fleet healed and rolled back on this machine" },
        program: `/${system}/daruma-demo/bin/daruma-demo`,
      },
    })),
    devShells: forSystems((system) => ({ default: `${system}:git make nix node python /nixpkgs/lib` })),
    template: true,
    module: true,
    checks: forSystems((system) =>
      Object.fromEntries(nixosTests().map((name) => [name, { system, file: `${name}.nix`, exists: true }])),
    ),
    packages: forSystems((system) => ({
      default: `${system}:package.nix`,
      daruma: `${system}:package.nix`,
      ...Object.fromEntries(
        ["agentctl", "egressd", "ledgerd", "metricsd", "watchd"].map((name) => [name, `${system}:${name}`]),
      ),
    })),
    formatter: forSystems((system) => `${system}:formatter`),
    inputs: { nixpkgs: { url: "github:NixOS/nixpkgs/nixos-26.05" } },
  });
});

t.test("the lock file pins the branch that the flake names, by its hash", async (t) => {
  t.match(lock, {
    version: 7,
    root: "root",
    nodes: {
      root: { inputs: { nixpkgs: "nixpkgs" } },
      nixpkgs: {
        locked: {
          rev: /^[0-9a-f]{40}$/,
          narHash: /^sha256-/,
          type: "github",
          owner: "NixOS",
          repo: "nixpkgs",
        },
        original: { ref: "nixos-26.05", type: "github", owner: "NixOS", repo: "nixpkgs" },
      },
    },
  });
});
