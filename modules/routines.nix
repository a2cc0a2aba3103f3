# The routines: a hardened template unit and a user for each.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.daruma;
in
{
  config = lib.mkIf cfg.enable (import ./to-nixos.nix { inherit lib pkgs; } cfg.build.parts.routines);
}
