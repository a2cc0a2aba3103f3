export interface FlakeParts {
  /** A flake reference to Daruma. */
  readonly daruma: string;
  /** The address of the npm registry that Nix builds Daruma from; `null` for npm's own. */
  readonly npmRegistry: string | null;
}

/** The flake of a fleet: its hosts, what CI needs, a shell to work in. */
export function flakeText({ daruma, npmRegistry }: FlakeParts): string {
  return `{
  description = "A fleet of AI agents";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
  # Where Daruma is from. "flake:daruma" is a name in your flake registry: nix registry add daruma ADDRESS
  inputs.daruma.url = ${nixText(daruma)};
  inputs.daruma.inputs.nixpkgs.follows = "nixpkgs";

  outputs =
    {
      self,
      nixpkgs,
      daruma,
    }:
    let
      inherit (nixpkgs) lib;

      # Daruma's lock file names no registry. This is the address that its dependencies are fetched from, by their hashes;
      # "mirror://npm" is nixpkgs' name for npm's own.
      npmRegistry = ${nixText(npmRegistry ?? "mirror://npm")};

      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      agentctl = pkgs: pkgs.callPackage (daruma + "/nix/package.nix") { inherit npmRegistry; };

      machine = host: ./machines + "/\${host}.nix";
    in
    {
      # One for each generated/HOST, which \`agentctl compile\` writes. What is particular to a machine (disks, network, users)
      # is in machines/HOST.nix, where there is one.
      nixosConfigurations = daruma.lib.nixosConfigurations {
        generated = ./generated;
        modules =
          host:
          [
            (
              { pkgs, ... }:
              {
                services.daruma.package = lib.mkDefault (agentctl pkgs);
              }
            )
          ]
          ++ lib.optional (builtins.pathExists (machine host)) (machine host);
      };

      packages = lib.genAttrs systems (
        system:
        let
          pkgs = nixpkgs.legacyPackages.\${system};
        in
        rec {
          default = ci;
          # What the CI files run: agentctl, and the compiler for the step "types" of \`agentctl check\`.
          ci = pkgs.symlinkJoin {
            name = "fleet-ci";
            paths = [
              (agentctl pkgs)
              pkgs.typescript
            ];
          };
        }
      );

      devShells = lib.genAttrs systems (system: {
        default = nixpkgs.legacyPackages.\${system}.mkShell {
          packages = [
            self.packages.\${system}.ci
            nixpkgs.legacyPackages.\${system}.nodejs_24
          ];
        };
      });
    };
}
`;
}

function nixText(value: string): string {
  return `"${value.replaceAll(/[\\"$]/g, "\\$&")}"`;
}
