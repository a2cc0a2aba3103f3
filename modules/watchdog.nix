# watchd, the program that runs when watchd cannot, and host.json.
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
  config = lib.mkIf cfg.enable (import ./to-nixos.nix { inherit lib pkgs; } cfg.build.parts.watchdog);
}
