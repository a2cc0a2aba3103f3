# metricsd, at which Prometheus reads.
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
  config = lib.mkIf cfg.enable (import ./to-nixos.nix { inherit lib pkgs; } cfg.build.parts.metrics);
}
