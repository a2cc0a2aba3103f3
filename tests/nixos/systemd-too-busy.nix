# A watchdog to which systemd does not answer goes on with what it knows.
{ lib, ... }:
let
  inherit (import ./lib.nix { inherit lib; }) good machine testScript unproven;
in
{
  name = "daruma-systemd-too-busy";

  nodes.machine = machine { inherit good unproven; };

  testScript = testScript ''
    with subtest("A systemd that is too busy to answer is no reason to end the watchdog, or to go back"):
        start_anew()
        known_good(deploy("good").path)
        second = deploy("unproven")
        silent = 'case "$*" in *list-units*) [ -e /run/busy ] && exec sleep 60 ;; esac'
        before_program("systemctl", silent, "WatchdogSec=18s")
        until("the next watchd", lambda: status())
        before = healthy("web")
        show = "systemctl show --value --property=MainPID,NRestarts daruma-watchd.service"
        watchd = machine.succeed(show)
        put("now", "/run/busy")
        missed = "journalctl -u daruma-watchd.service | grep -c 'the survey failed: systemctl did not end'"
        machine.wait_until_succeeds(f'test "$({missed})" -ge 3')
        machine.succeed(f"kill -9 {before['pid']}")
        entry(action="recovery.verified", subject="web")
        assert machine.succeed(show) == watchd, "it is the same watchd"
        assert current() == second.path
        machine.succeed("rm /run/busy")
  '';
}
