import { checkHostManifest, checkHostSettings, nixpkg, parseManifest } from "@daruma/config";
import t from "tap";
import {
  evaluateNix,
  type HostCase,
  must,
  nixHost,
  nixPath,
  nixpkgsLib,
  unitsOfHost,
  withoutModules,
} from "./support.ts";

/* modules/ under nixpkgs' module system, against option declarations that mirror those of NixOS (nixos.nix). */

const node = nixpkg("nodejs_24", "bin/node");
const fleet: HostCase = {
  agents: {
    enricher: {
      command: [node, "/srv/enricher/main.js", "100%"],
      environment: { LOG_LEVEL: "info" },
      credentials: { API_KEY: "/run/secrets/key" },
      limits: { memory: "512MiB" },
    },
    walled: { command: [node, "/srv/walled/main.js"], egress: ["api.example.com:443"] },
    other: { command: [node, "/srv/other/main.js"], health: { http: "http://127.0.0.1:8081/" } },
  },
};

/** Evaluates `expression`, in which `system` makes the configuration of a host with the given modules added. */
function evaluate(expression: string, host: HostCase = fleet): unknown {
  return evaluateNix(`
    let
      lib = import (/. + ${JSON.stringify(nixpkgsLib)});
      package = name: derivation { inherit name; system = "x86_64-linux"; builder = "/bin/sh"; };
      file = name: text: derivation {
        inherit name text;
        system = "x86_64-linux";
        builder = "/bin/sh";
      };
      pkgs = lib.genAttrs [ "coreutils" "nftables" "nix" "nodejs_24" "systemd" "package-of-somebody" ] package // {
        runtimeShell = "/bin/bash";
        writeText = name: file (builtins.replaceStrings [ "/" ] [ "-" ] name);
        writeScript = file;
        runCommand = name: settings: script: derivation (settings // {
          inherit name;
          system = "x86_64-linux";
          builder = "/bin/sh";
          args = [ "-c" script ];
        });
        callPackage = path: _: package (baseNameOf path);
        stdenv.hostPlatform.system = "x86_64-linux";
      };
      system = extra: (lib.evalModules {
        specialArgs.pkgs = pkgs;
        modules = [
          ${nixPath("tests/nix/nixos.nix")}
          ${nixPath("modules")}
          { services.daruma = ${nixHost(host)}; }
        ] ++ extra;
      }).config;
    in
    ${expression}
  `);
}

t.test("NixOS writes the units that the test host gets", { skip: withoutModules }, async (t) => {
  const [units, texts] = evaluate(`
    let config = system [ ]; in
    [ config.systemd.units config.services.daruma.build.unitTexts ]
  `) as Record<string, string>[];
  if (units === undefined || texts === undefined) throw new Error("two values were asked for");
  t.same(Object.keys(units).sort(), Object.keys(texts).sort());
  for (const [name, text] of Object.entries(texts)) {
    const lines = must(units, name).split("\n");
    // NixOS gives every service a PATH; where Daruma sets one as well, the later line wins.
    const own = lines.filter((line) => line !== 'Environment="PATH=/stub/default/bin"');
    t.equal(lines.length - own.length, name.endsWith(".path") ? 0 : 1, `${name} has the PATH of NixOS`);
    t.same(own, text.split("\n"), name);
  }
});

t.test("users, directories and files arrive in NixOS", { skip: withoutModules }, async (t) => {
  const found = evaluate(`
    let config = system [ ]; in {
      users = builtins.mapAttrs (_: user: { inherit (user) isSystemUser group home; }) config.users.users;
      groups = builtins.attrNames config.users.groups;
      rules = builtins.sort builtins.lessThan config.systemd.tmpfiles.rules;
      etc = builtins.mapAttrs (_: file: { inherit (file) mode text; source = "\${file.source}"; }) config.environment.etc;
      packages = map (each: each.name) config.environment.systemPackages;
      failed = builtins.filter (each: !each.assertion) config.assertions;
    }
  `) as {
    readonly users: Readonly<Record<string, unknown>>;
    readonly groups: readonly string[];
    readonly rules: readonly string[];
    readonly etc: Readonly<Record<string, { readonly mode: string; readonly text: string | null }>>;
    readonly packages: readonly string[];
    readonly failed: readonly unknown[];
  };
  const expected = unitsOfHost(fleet);
  t.same(found.users["da-other"], {
    isSystemUser: true,
    group: "da-other",
    home: "/var/lib/daruma/agents/other/state",
  });
  t.same(Object.keys(found.users).sort(), Object.keys(expected.users).sort());
  t.same(found.groups, Object.keys(expected.groups).sort());
  t.same(found.rules, [...expected.tmpfiles].sort());
  t.same(Object.keys(found.etc).sort(), Object.keys(expected.etc).sort());
  t.same(Object.keys(parseManifest(must(found.etc, "daruma/host.json").text ?? "").agents), [
    "enricher",
    "other",
    "walled",
  ]);
  t.equal(
    must(found.etc, "daruma/bin/exit-hook").text,
    null,
    "scripts are links to executables in the store",
  );
  t.same(found.packages, ["package.nix"]);
  t.same(found.failed, []);
});

t.test("a host that has Daruma turned off has nothing of it", { skip: withoutModules }, async (t) => {
  const found = evaluate(`
    let config = system [ { services.daruma.enable = lib.mkForce false; } ]; in
    [ config.systemd.services config.users.users config.environment.etc config.systemd.tmpfiles.rules config.environment.systemPackages ]
  `);
  t.same(found, [{}, {}, {}, [], []]);
});

t.test(
  "the digest of the host follows the rest of the system, and only that",
  { skip: withoutModules },
  async (t) => {
    const more = '{ services.daruma.agents.third.command = [ "/third" ]; }';
    const changes: Readonly<Record<string, readonly [module: string, changes: boolean]>> = {
      nothing: ["{ }", false],
      "another agent": [more, false],
      "an agent that changes": ['{ services.daruma.agents.other.startup = lib.mkForce "9s"; }', false],
      "more for an agent's unit": [
        "{ systemd.services.daruma-agent-other.path = [ pkgs.coreutils ]; }",
        true,
      ],
      "a service of somebody": ['{ systemd.services.x.serviceConfig.ExecStart = "/x"; }', true],
      "a file of somebody": ['{ environment.etc."x.conf".text = "x"; }', true],
      "a package of somebody": ["{ environment.systemPackages = [ pkgs.package-of-somebody ]; }", true],
      "a user of somebody": ["{ users.users.x = { }; }", true],
      "the revision of the configuration": ['{ system.configurationRevision = "abc"; }', false],
      "a specialisation": ["{ specialisation.x = { }; }", false],
      "a warning": ['{ warnings = [ "w" ]; }', false],
      "another systemd": ["{ systemd.package = pkgs.package-of-somebody; }", true],
      "another Daruma": ["{ services.daruma.package = pkgs.package-of-somebody; }", true],
      "a witness of the ledger": ['{ services.daruma.ledger.witnessCommands = [ "/bin/keep" ]; }', true],
      "a seed of one's own": ['{ services.daruma.hostSeed = "mine"; }', true],
    };
    const manifests = evaluate(`
    map (module: (system [ module ]).services.daruma.build.hostManifest) [
      ${Object.values(changes)
        .map(([module]) => module)
        .join("\n")}
    ]
  `) as readonly {
      readonly hostDigest: string;
      readonly agents: { readonly enricher: { readonly digest: string } };
    }[];
    for (const [index, [what, [, expected]]] of Object.entries(changes).entries()) {
      t.equal(manifests[index]?.hostDigest !== manifests[0]?.hostDigest, expected, what);
      t.equal(
        manifests[index]?.agents.enricher.digest,
        manifests[0]?.agents.enricher.digest,
        `enricher: ${what}`,
      );
    }
  },
);

t.test("the whole system evaluates, its digests included", { skip: withoutModules }, async (t) => {
  const path = evaluate("(system [ ]).system.build.toplevel.outPath");
  t.match(path, /-toplevel$/);
});

t.test(
  "a host is built only when agentctl agrees with its options and its host.json",
  { skip: withoutModules },
  async (t) => {
    const host: HostCase = {
      agents: {
        ...fleet.agents,
        careful: { command: [node, "/srv/careful/main.js"], fallback: { environment: { MODEL: "small" } } },
      },
      host: {
        egress: { allow: ["cache.example.com:443"], deny: [{ cidr: "203.0.113.0/24" }] },
        drift: { policy: "correct", every: "30s" },
        alerts: { sinks: { pager: { kind: "pagerduty", credential: "/run/secrets/pager" } } },
      },
    };
    const found = evaluate(
      `let
        config = system [ ];
        data = value: builtins.fromJSON (builtins.unsafeDiscardStringContext (builtins.toJSON value));
      in {
        settings = data (removeAttrs config.services.daruma [ "build" "package" ]);
        manifest = data config.services.daruma.build.hostManifest;
        checks = map (each: each.name) config.system.checks;
      }`,
      host,
    ) as {
      readonly settings: { agents: { other: object } };
      readonly manifest: unknown;
      readonly checks: unknown;
    };
    t.same(found.checks, ["daruma-check-host"]);
    const manifest = parseManifest(JSON.stringify(found.manifest));
    t.same(checkHostSettings(found.settings), []);
    t.same(checkHostManifest(found.settings, manifest), []);
    const later = structuredClone(found.settings);
    Object.assign(later.agents.other, { startup: "31s" });
    t.match(checkHostManifest(later, manifest), [
      { path: "host.json: agents.other.startupMs", message: /30000/ },
    ]);
    Object.assign(later.agents.other, { startup: "2d", nothing: 1 });
    t.same(
      checkHostSettings(later).map(({ path }) => path),
      ["services.daruma.agents.other.nothing", "services.daruma.agents.other.startup"],
    );
  },
);

t.test(
  "where boot entries are counted, and only there, one is good once its agents are proven",
  { skip: withoutModules },
  async (t) => {
    const counted = (option: string, type: string) => `{
      options.boot.${option} = lib.mkOption { type = lib.types.${type}; };
    }`;
    const [none, off, on, other] = evaluate(`
      let
        unit = extra: (system extra).systemd.units."daruma-boot-complete.service" or null;
        systemd-boot = ${counted("loader.systemd-boot.bootCounting.enable", "bool")};
        lanzaboote = ${counted("lanzaboote.bootCounting.initialTries", "int")};
      in [
        (unit [ ])
        (unit [ systemd-boot { boot.loader.systemd-boot.bootCounting.enable = false; } ])
        (unit [ systemd-boot { boot.loader.systemd-boot.bootCounting.enable = true; } ])
        (unit [ lanzaboote { boot.lanzaboote.bootCounting.initialTries = 2; } ])
      ]
    `) as readonly (string | null)[];
    t.equal(none, null, "this NixOS has no such option");
    t.equal(off, null);
    t.equal(other, on);
    for (const line of [
      "Before=boot-complete.target",
      "After=daruma-watchd.service",
      "Type=oneshot",
      "RemainAfterExit=true",
      "ExecStart=/etc/daruma/bin/boot-complete /run/daruma/proven /run/current-system /run/booted-system",
      // The default probation, and a quarter of an hour.
      "TimeoutStartSec=1500",
      "RequiredBy=boot-complete.target",
    ])
      t.ok(on?.split("\n").includes(line), line);
  },
);

t.test("what is wrong is said with the option's name", { skip: withoutModules }, async (t) => {
  const failed = evaluate(
    `map (each: each.message) (builtins.filter (each: !each.assertion) (system [
      { services.daruma.agents.other.environment."A B" = "x"; services.daruma.system = lib.mkForce "aarch64-linux"; }
    ]).assertions)`,
  ) as readonly string[];
  t.match(failed, [/^services\.daruma\.agents\."other"\.environment: /, /^services\.daruma\.system: /]);
});

t.test(
  "a setting of a unit can be overridden as any setting of NixOS",
  { skip: withoutModules },
  async (t) => {
    const unit = evaluate(`(system [ {
    systemd.services.daruma-agent-other = {
      path = [ "/stub/git" ];
      environment.EXTRA = "1";
      serviceConfig.RestartSec = lib.mkForce "1s";
      serviceConfig.Environment = [ "MORE=2" ];
    };
  } ]).systemd.units."daruma-agent-other.service"`);
    t.match(unit, 'PATH=/stub/git/bin:/stub/default/bin"\n');
    t.match(unit, 'Environment="EXTRA=1"\n');
    t.match(unit, "RestartSec=1s\n");
    t.match(unit, "Environment=MORE=2\n");
  },
);
