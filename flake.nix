{
  description = "NixOS machines that keep AI agents running, roll bad deploys back, and can prove what happened";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      forAllSystems =
        make:
        nixpkgs.lib.genAttrs [
          "x86_64-linux"
          "aarch64-linux"
        ] (system: make nixpkgs.legacyPackages.${system});
    in
    {
      nixosModules.default = ./modules;

      packages = forAllSystems (pkgs: rec {
        default = daruma;
        daruma = pkgs.callPackage ./nix/package.nix { };
      });

      # Machines that are healed and rolled back; see tests/nixos/README.md.
      checks = forAllSystems (
        pkgs:
        builtins.mapAttrs (_: pkgs.testers.runNixOSTest) {
          daruma-heal = ./tests/nixos/heal.nix;
          daruma-rollback = ./tests/nixos/rollback.nix;
          daruma-routines = ./tests/nixos/routines.nix;
          daruma-standstill = ./tests/nixos/standstill.nix;
          daruma-watchdog = ./tests/nixos/watchdog.nix;
        }
      );

      # nix flake init -t DARUMA: what `agentctl init` writes.
      templates.default = {
        path = ./templates/fleet;
        description = "A fleet of AI agents that works at once";
      };

      formatter = forAllSystems (pkgs: pkgs.nixfmt-tree);
    };
}
