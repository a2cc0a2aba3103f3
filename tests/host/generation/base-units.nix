# The units that a NixOS has of its own and that a switch needs: targets, and what applies new tmpfiles rules.
{
  # Changes whenever the rules of tmpfiles.d change.
  triggers,
}:
{
  tmpfiles = [ "L+ /nix/var/nix/gcroots/booted-system 0755 root root - /run/booted-system" ];

  debianTargets = map (name: "${name}.target") [
    "basic"
    "local-fs"
    "multi-user"
    "network"
    "network-online"
    "network-pre"
    "nss-lookup"
    "paths"
    "remote-fs"
    "shutdown"
    "slices"
    "sockets"
    "swap"
    "sysinit"
    "time-sync"
    "timers"
    "umount"
  ];

  # What is ordered before sysinit.target is restarted through this one: sysinit.target itself would take everything along.
  units."systemd-tmpfiles-resetup.service".requiredBy = [ "sysinit-reactivation.target" ];
  unitTexts = {
    "sysinit-reactivation.target" = ''
      [Unit]
      Description=Reactivate sysinit units
    '';
    "systemd-tmpfiles-resetup.service" = ''
      [Unit]
      Description=Re-setup tmpfiles on a system that is already running.
      After=local-fs.target systemd-sysusers.service systemd-journald.service
      Before=sysinit-reactivation.target shutdown.target
      Conflicts=shutdown.target
      DefaultDependencies=false
      X-Restart-Triggers=${triggers}

      [Service]
      ExecStart=systemd-tmpfiles --create --remove --exclude-prefix=/dev
      RemainAfterExit=true
      SuccessExitStatus=DATAERR CANTCREAT
      Type=oneshot
    '';
  };
}
