# watchd dies, at a quiet moment and at the two worst ones. The next one goes on where it was.
{ lib, ... }:
let
  inherit (import ./lib.nix { inherit lib; }) badAndLingers fleet good machine testScript;
in
{
  name = "daruma-watchd-killed";

  nodes.machine = machine {
    inherit badAndLingers good;
    slow = fleet {
      # Time enough to kill watchd between the failure and the restart.
      agents.web.settings.restart = {
        backoff = {
          initial = "3s";
          factor = 1;
          max = "3s";
        };
        attempts = 3;
        within = "10m";
      };
    };
  };

  testScript = testScript ''
    watchd = "daruma-watchd.service"
    kill_watchd = f"systemctl kill --signal=KILL {watchd}"

    with subtest("Agents outlive the watchdog, and the next one knows them"):
        start_anew()
        deploy("good")
        before = healthy("web")
        machine.succeed(kill_watchd)
        until("the next watchd", lambda: True if actions().count("watchd.start") == 2 else None)
        after = healthy("web")
        assert (after["runId"], after["pid"]) == (before["runId"], before["pid"])
        assert "agent.exit" not in actions()

    with subtest("A watchdog that is killed in mid-recovery: the next one brings it to its end"):
        start_anew()
        deploy("slow")
        before = healthy("web")
        machine.succeed(f"kill -9 {before['pid']}")
        restart = entry(action="agent.restart", subject="web")
        machine.succeed(kill_watchd)
        verified = entry(action="recovery.verified", subject="web")
        assert verified["incident"] == restart["incident"], "it is one and the same incident"
        assert actions().count("agent.exit") == 1

    with subtest("A watchdog that is killed in mid-rollback: the system comes back all the same, once"):
        start_anew()
        good = deploy("good")
        known_good(good.path)
        deploy("badAndLingers")
        machine.wait_for_file("/run/half-way")
        machine.succeed(kill_watchd)
        until("the next watchd", status)
        machine.succeed("touch /run/go")
        entry(action="recovery.verified", subject="web")
        assert current() == good.path
        assert "generation.rollback-failed" not in actions()
        assert actions().count("generation.rolled-back") == 1
        assert actions().count("generation.quarantine") == 1
  '';
}
