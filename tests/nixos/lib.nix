# What the tests share: a machine, agents that are a few lines of Node, and deploys. How they are deployed and asked is in
# prelude.py. Every other file here is a test.
{ lib }:
let
  ports = {
    web = 8080;
    other = 8081;
    free = 8082;
  };
in
rec {
  # Answers its health check, for ever. `said` is in the code, so that another text is another agent.
  serves = said: ''
    require("node:http")
      .createServer((_, answer) => answer.end(${builtins.toJSON said}))
      .listen(process.env.PORT, "127.0.0.1");
  '';

  # Dies as it starts.
  dies = "process.exit(1);";

  # Serves for as long as the file is not there. Then it ends with the code that the file holds, at each start.
  servesUntil = file: ''
    const { readFileSync } = require("node:fs");
    const look = () => {
      try {
        process.exit(Number(readFileSync(${builtins.toJSON file}, "utf8")));
      } catch (error) {
        if (error.code !== "ENOENT") throw error;
      }
    };
    look();
    setInterval(look, 20);
    ${serves "ok"}
  '';

  # What the file says, as `told()`; "" while it is not there.
  toldBy = file: ''
    const { readFileSync } = require("node:fs");
    const told = () => {
      try {
        return readFileSync(${builtins.toJSON file}, "utf8").trim();
      } catch (error) {
        if (error.code !== "ENOENT") throw error;
        return "";
      }
    };
  '';

  # A deploy with these agents. Each has a port of its own, a health check that asks often, and a quick policy; `settings`
  # are further options of it. Times are such that a machine without KVM can keep them.
  fleet =
    {
      agents,
      probation ? "2s",
    }:
    { pkgs, ... }:
    let
      declare =
        name:
        {
          code ? serves "ok",
          settings ? { },
        }:
        {
          command = [
            (lib.getExe pkgs.nodejs_24)
            "${pkgs.writeText "${name}.js" code}"
          ];
          environment.PORT = toString ports.${name};
          startup = "2m";
          health = {
            http = "http://127.0.0.1:${toString ports.${name}}/health";
            every = "500ms";
            expect.within = "5s";
          };
          restart = {
            backoff = {
              initial = "50ms";
              max = "5s";
            };
            attempts = 3;
            within = "10m";
          };
        }
        // settings;
    in
    {
      services.daruma = {
        enable = true;
        host = "machine";
        inherit (pkgs.stdenv.hostPlatform) system;
        watchdog = { inherit probation; };
        agents = lib.mapAttrs declare agents;
      };
    };

  # Deploys that more than one test has.
  good = fleet { agents.web = { }; };
  bad = fleet { agents.web.code = dies; };
  badAndLingers.imports = [
    bad
    lingers
  ];
  unproven = fleet {
    agents.web.code = serves "unproven";
    probation = "1h";
  };

  # A deploy of two agents, one of which is as given.
  withOther =
    web:
    fleet {
      agents = {
        inherit web;
        other = { };
      };
    };

  # Daruma with one of its programs replaced by these lines of shell.
  withProgram =
    program: text:
    { options, pkgs, ... }:
    {
      services.daruma.package = pkgs.symlinkJoin {
        name = "daruma-with-another-${program}";
        paths = [ options.services.daruma.package.default ];
        postBuild = ''
          rm $out/bin/${program}
          ln -s ${pkgs.writeShellScript program text} $out/bin/${program}
        '';
      };
    };

  # A service whose stop takes until somebody creates /run/go. Where a deploy brings it, the switch away from that deploy
  # is caught in the middle, with /run/half-way as the sign of it.
  lingers =
    { pkgs, ... }:
    {
      systemd.services.lingers = {
        wantedBy = [ "multi-user.target" ];
        serviceConfig = {
          ExecStart = "${lib.getExe' pkgs.coreutils "sleep"} infinity";
          ExecStop = pkgs.writeShellScript "linger" ''
            touch /run/half-way
            while [ ! -e /run/go ]; do sleep 0.1; done
          '';
          # Longer than any test waits: systemd must not be the one that goes on.
          TimeoutStopSec = "1h";
        };
      };
    };

  # A machine with an empty generation, and the deploys (name -> module) in its store.
  machine =
    deploys:
    {
      config,
      extendModules,
      pkgs,
      ...
    }:
    {
      imports = [ ../../modules ];

      # Each deploy is this very system with one module more, as after a commit to its configuration. Not a specialisation:
      # that is a part of its parent's generation and has none of its own, so there would be nothing to go back to. Not
      # another node: its name and addresses differ, which would look like a change of the rest of the host.
      system.build.deploys = lib.mapAttrs (
        _: module: (extendModules { modules = [ module ]; }).config.system.build.toplevel
      ) deploys;

      virtualisation = {
        # In the machine's store and known to its Nix, and no part of the system itself, as system.extraDependencies would
        # be. Nothing but a deploy protects them from a garbage collection.
        additionalPaths = lib.attrValues config.system.build.deploys;

        # A reboot must boot what the boot loader has been told. The store is on the disk then, and can be written to.
        useBootLoader = true;
        useEFIBoot = true;

        # The image is made as large as what is in it. The disk is larger, and grown into at boot.
        diskSize = 8 * 1024;
        fileSystems."/".autoResize = true;

        memorySize = 2048;
        cores = 2;
      };
      boot.growPartition = true;

      boot.loader = {
        systemd-boot.enable = true;
        efi.canTouchEfiVariables = true;
        timeout = 0;
      };

      # Off by default in tests.
      system.switch.enable = true;

      # Nothing is built in the machine, and there is no network to wait for.
      nix.settings.substituters = lib.mkForce [ ];

      environment.systemPackages = [ pkgs.curl ];
    };

  # What a test runs: the scenarios, with what they use before them.
  testScript =
    scenarios:
    { nodes, ... }:
    builtins.readFile ./prelude.py
    + ''
      ports: dict[str, int] = ${builtins.toJSON ports}
      toplevels: dict[str, str] = ${builtins.toJSON nodes.machine.system.build.deploys}

    ''
    + scenarios;
}
