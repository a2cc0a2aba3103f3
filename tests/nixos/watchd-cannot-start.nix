# No watchd can stay up any more, and systemd gives up: a program without Node decides in its place.
{ lib, ... }:
let
  inherit (import ./lib.nix { inherit lib; }) good machine testScript withProgram;
in
{
  name = "daruma-watchd-cannot-start";

  nodes.machine = machine {
    inherit good;
    withoutWatchd.imports = [
      good
      (withProgram "watchd" "exit 1")
    ];
  };

  testScript = testScript ''
    watchd = "daruma-watchd.service"
    kill_watchd = f"systemctl kill --signal=KILL {watchd}"

    with subtest("A deploy in which the watchdog cannot start is rolled back without it"):
        start_anew()
        good = deploy("good")
        known_good(good.path)
        before = healthy("web")
        broken = deploy("withoutWatchd")
        assert pid_of("web") == before["pid"], "the agent does not notice"
        failed = entry(action="watchd.failed")
        has(failed["details"], decision="rollback", generation=broken.path)
        back = entry(action="generation.rolled-back", incident=failed["incident"])
        assert back["subject"] == good.path
        assert current() == good.path
        healthy("web")
        assert pid_of("web") == before["pid"]
        until("the quarantine", lambda: quarantine() or None)
        assert quarantine() == [(broken.path, "watchd")]

    with subtest("A watchdog that cannot start in a generation that was proven leaves it alone, and says so"):
        start_anew()
        good = deploy("good")
        known_good(good.path)
        healthy("web")
        # Nothing of the generation is to blame: its state cannot be written any more.
        machine.succeed("mount -t tmpfs -o ro none /var/lib/daruma/watchd", kill_watchd)
        machine.wait_until_succeeds(f"systemctl is-failed {watchd}")
        # Not through a pipe to `grep -q`, whose early end the driver's pipefail takes for a failure.
        machine.wait_until_succeeds("journalctl --unit daruma-watchd-failed.service --grep 'cannot stay up'")
        assert current() == good.path
        machine.require_unit_state("daruma-agent-web.service", "active")
        machine.succeed(
            "umount /var/lib/daruma/watchd",
            "systemctl reset-failed",
            f"systemctl start {watchd}",
        )
        healthy("web")
  '';
}
