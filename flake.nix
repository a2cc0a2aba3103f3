{
  description = "NixOS machines that keep AI agents running, roll bad deploys back, and can prove what happened";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;

      forAllSystems =
        make:
        lib.genAttrs [
          "x86_64-linux"
          "aarch64-linux"
        ] (system: make nixpkgs.legacyPackages.${system});

      daruma = pkgs: pkgs.callPackage ./nix/package.nix { };

      # Each file of tests/nixos is one, except for what they share.
      nixosTests = map (lib.removeSuffix ".nix") (
        builtins.filter (file: lib.hasSuffix ".nix" file && file != "lib.nix") (
          builtins.attrNames (builtins.readDir ./tests/nixos)
        )
      );

      # One program of the package, which is built as a whole.
      program =
        pkgs: name:
        pkgs.runCommand name { meta.mainProgram = name; } ''
          mkdir -p "$out/bin"
          ln -s ${daruma pkgs}/bin/${name} "$out/bin/${name}"
        '';
    in
    {
      nixosModules.default = ./modules;

      overlays.default = final: _: { daruma = daruma final; };

      # The hosts of a fleet, as `agentctl compile` has written them, as nixosConfigurations. What is particular to a machine
      # (disks, network, users) is in `modules`, a function of the host's name to a list of modules.
      lib.nixosConfigurations =
        {
          generated,
          modules ? _: [ ],
        }:
        let
          isHost = name: builtins.pathExists (generated + "/${name}/default.nix");
        in
        lib.genAttrs (builtins.filter isHost (builtins.attrNames (builtins.readDir generated))) (
          host:
          lib.nixosSystem {
            modules = [
              self.nixosModules.default
              (generated + "/${host}")
              (
                { config, ... }:
                {
                  networking.hostName = lib.mkDefault host;
                  nixpkgs.hostPlatform = lib.mkDefault config.services.daruma.system;
                }
              )
            ]
            ++ modules host;
          }
        );

      packages = forAllSystems (
        pkgs:
        {
          default = daruma pkgs;
          daruma = daruma pkgs;
        }
        // lib.genAttrs [
          "agentctl"
          "egressd"
          "ledgerd"
          "metricsd"
          "watchd"
        ] (program pkgs)
      );

      # nix run .#demo: `make demo` in a copy of this source. It installs what it needs from the npm registry.
      apps = forAllSystems (pkgs: {
        demo = {
          type = "app";
          meta.description = "See a fleet healed and rolled back on this machine";
          program = "${
            pkgs.writeShellApplication {
              name = "daruma-demo";
              runtimeInputs = [
                pkgs.coreutils
                pkgs.gnumake
                pkgs.nodejs_24
              ];
              text = ''
                directory="$(mktemp -d)"
                trap 'rm -rf "$directory"' EXIT
                cp -r --no-preserve=mode ${self}/. "$directory"
                make -C "$directory" demo
              '';
            }
          }/bin/daruma-demo";
        };
      });

      # What `make check`, `make test` and `make bench` call; the test host also wants debootstrap and systemd-nspawn.
      devShells = forAllSystems (pkgs: {
        default = pkgs.mkShell {
          packages = [
            pkgs.git
            pkgs.gnumake
            pkgs.nix
            pkgs.nodejs_24
            pkgs.python3
          ];
          # The tests of modules/ look there for the module system.
          NIXPKGS_LIB = "${nixpkgs}/lib";
        };
      });

      # Machines that are healed and rolled back; see tests/nixos/README.md.
      checks = forAllSystems (
        pkgs:
        lib.genAttrs nixosTests (name: pkgs.testers.runNixOSTest (./tests/nixos + "/${name}.nix"))
      );

      # nix flake init -t DARUMA: what `agentctl init` writes.
      templates.default = {
        path = ./templates/fleet;
        description = "A fleet of AI agents that works at once";
      };

      formatter = forAllSystems (pkgs: pkgs.nixfmt-tree);
    };
}
