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

      formatter = forAllSystems (pkgs: pkgs.nixfmt-tree);
    };
}
