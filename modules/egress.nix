# egressd and the wall that makes it the only way out, for agents and routines that declare what they may reach.
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
  config = lib.mkIf cfg.enable (import ./to-nixos.nix { inherit lib pkgs; } cfg.build.parts.egress);
}
