# Where the boot loader counts how often an entry is tried, an entry is a good one only once watchd has proven its agents.
# Nothing here turns the counting on.
{
  config,
  lib,
  options,
  ...
}:
let
  cfg = config.services.daruma;
  paths = import ./units/paths.nix;

  # Since NixOS 26.11. The other one is lanzaboote's, which is no part of NixOS.
  bySystemdBoot =
    options ? boot.loader.systemd-boot.bootCounting
    && config.boot.loader.systemd-boot.bootCounting.enable;
  byLanzaboote =
    options ? boot.lanzaboote.bootCounting && config.boot.lanzaboote.bootCounting.initialTries > 0;
in
{
  config = lib.mkIf (cfg.enable && (bySystemdBoot || byLanzaboote)) {
    systemd.services.daruma-boot-complete = {
      unitConfig = {
        Description = "Daruma: the agents of this boot are proven";
        Documentation = "man:systemd-bless-boot.service(8)";
        After = [ "daruma-watchd.service" ];
        Wants = [ "daruma-watchd.service" ];
        Before = [ "boot-complete.target" ];
      };
      requiredBy = [ "boot-complete.target" ];
      serviceConfig = (import ./units/hardening.nix).bootComplete // {
        Type = "oneshot";
        RemainAfterExit = true;
        ExecStart = "${paths.bin}/boot-complete ${paths.proven} /run/current-system /run/booted-system";
        # A generation that is new has its probation ahead of it, which begins anew with each lapse.
        TimeoutStartSec = cfg.build.hostManifest.watchdog.probationMs / 1000 + 900;
        # The boot is judged once. A switch in the middle of that goes on without it.
        X-RestartIfChanged = false;
      };
    };
  };
}
