# What the option types and asserts.nix cannot say, because it is about several options at once: the rules of the fleet file
# themselves, run by agentctl when the host is built.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.daruma;

  # As data. What packages it names need not be built to be checked.
  json = value: builtins.unsafeDiscardStringContext (builtins.toJSON value);
in
{
  config = lib.mkIf cfg.enable {
    system.checks = [
      (pkgs.runCommand "daruma-check-host"
        {
          settings = json (
            removeAttrs cfg [
              "build"
              "enable"
              "hostSeed"
              "package"
            ]
          );
          manifest = json cfg.build.hostManifest;
          passAsFile = [
            "settings"
            "manifest"
          ];
        }
        ''
          ${cfg.package}/bin/agentctl check-host "$settingsPath" "$manifestPath"
          touch "$out"
        ''
      )
    ];
  };
}
