# A part of what units.nix returns, as NixOS options.
{ lib, pkgs }:
part:
let
  ofKind =
    suffix: settings:
    lib.mapAttrs' (
      file: sections:
      lib.nameValuePair (lib.removeSuffix suffix file) (
        {
          unitConfig = sections.Unit;
          wantedBy = sections.Install.WantedBy or [ ];
        }
        // settings sections
      )
    ) (lib.filterAttrs (file: _: lib.hasSuffix suffix file) part.units);
in
{
  systemd.services = ofKind ".service" (sections: { serviceConfig = sections.Service; });
  systemd.paths = ofKind ".path" (sections: { pathConfig = sections.Path; });

  systemd.tmpfiles.rules = part.tmpfiles;

  users.users = lib.mapAttrs (
    _: user:
    user
    // {
      # NixOS gives it a uid once and for all, so files of an agent that was removed never become another's.
      isSystemUser = true;
    }
  ) part.users;
  users.groups = part.groups;

  system.preSwitchChecks = part.preSwitchChecks;

  environment.etc = lib.mapAttrs (
    path: file:
    if file.executable then
      { source = pkgs.writeScript (baseNameOf path) file.text; }
    else
      { inherit (file) text; }
  ) part.etc;
}
