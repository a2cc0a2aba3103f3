# services.daruma: the options, and what of it is the same for all that Daruma runs.
{
  config,
  extendModules,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) literalExpression mkOption types;
  cfg = config.services.daruma;

  # This very system without Daruma. Evaluating it takes as long as evaluating a system does; in return nothing has
  # to be listed that an agent could depend on, and what Daruma itself adds cannot leak in. See
  # docs/decisions/0005-the-rest-of-the-host.md.
  rest =
    (extendModules {
      modules = [
        {
          services.daruma.enable = lib.mkOverride 0 false;
          # Other systems, and what is said about this one: nothing that runs.
          documentation.nixos.enable = lib.mkForce false;
          specialisation = lib.mkForce { };
          system.configurationRevision = lib.mkForce null;
          # They are about the whole system, and are reported there.
          assertions = lib.mkForce [ ];
          warnings = lib.mkForce [ ];
        }
      ];
    }).config.system.build.toplevel;
in
{
  imports = [
    ./options.nix
    ./agents.nix
    ./boot.nix
    ./checks.nix
    ./egress.nix
    ./ledger.nix
    ./metrics.nix
    ./routines.nix
    ./watchdog.nix
  ];

  options.services.daruma = {
    package = mkOption {
      type = types.package;
      default = pkgs.callPackage ../nix/package.nix { };
      defaultText = literalExpression "pkgs.callPackage ../nix/package.nix { }";
      description = "The Daruma to run.";
    };

    hostSeed = mkOption {
      type = types.str;
      # Only its name: the system without Daruma need not be built.
      default = builtins.unsafeDiscardStringContext rest.outPath;
      defaultText = literalExpression "the store path of this system with services.daruma.enable = false";
      description = ''
        Text that changes whenever something of the host changes that is neither an agent nor Daruma. An agent
        that fails after such a change leads to a rollback even if the agent itself did not change. The default
        evaluates the system a second time; set this to a text of your own (a revision of your configuration, for
        example) where that takes too long.
      '';
    };

    build = mkOption {
      type = types.raw;
      internal = true;
      readOnly = true;
      default = import ./units.nix {
        spec = cfg;
        # The systemd and the Nix that run on this host are the ones to talk to.
        pkgs = pkgs // {
          nix = config.nix.package;
          systemd = config.systemd.package;
        };
        daruma = cfg.package;
        inherit (cfg) hostSeed;
      };
      description = "What units.nix makes of these options.";
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = import ./asserts.nix cfg ++ [
      {
        assertion = cfg.system == pkgs.stdenv.hostPlatform.system;
        message = "services.daruma.system: it is ${cfg.system}, and this host is ${pkgs.stdenv.hostPlatform.system}";
      }
    ];

    environment.systemPackages = [ cfg.package ];
  };
}
