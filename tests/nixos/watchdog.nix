# The watchdog itself fails, at the worst moment or for good. The scenarios of tests/host/watchdog.test.ts.
{ lib, ... }:
let
  inherit (import ./lib.nix { inherit lib; })
    dies
    fleet
    lingers
    machine
    testScript
    withProgram
    ;

  good = fleet { agents.web = { }; };
  bad = fleet { agents.web.code = dies; };
in
{
  name = "daruma-watchdog";

  nodes.machine = machine {
    inherit good;
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
    badAndLingers.imports = [
      bad
      lingers
    ];
    withoutWatchd.imports = [
      good
      (withProgram "watchd" "exit 1")
    ];
    badWithoutLedger.imports = [
      bad
      (withProgram "ledgerd" "exit 9")
    ];
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

    with subtest("A deploy that breaks the ledger along with an agent is rolled back all the same, and told late"):
        start_anew()
        good = deploy("good")
        known_good(good.path)
        last = last_entry()
        broken = deploy("badWithoutLedger")
        entry(action="recovery.verified", subject="web", after=last)
        assert current() == good.path
        rollback = entry(action="generation.rollback", after=last)
        has(rollback["details"], by="watchd", late=True)
        assert rollback["details"]["from"] == broken.path
        has((status() or {})["ledger"], connected=True, waiting=0)
        ledger_verifies()

    with subtest("Without a watchdog, an agent that fails is started by systemd, and taken over later"):
        start_anew()
        deploy("good")
        before = healthy("web")
        machine.succeed(f"systemctl stop {watchd}", f"kill -9 {before['pid']}")
        machine.wait_until_succeeds("curl --silent --fail http://127.0.0.1:8080/")
        machine.succeed(f"systemctl start {watchd}")
        entry(action="agent.adopt", subject="web")
        after = healthy("web")
        assert after["pid"] != before["pid"]
        # It is the one that systemd has started, and was not started again.
        assert after["pid"] == pid_of("web")
        has(entry(action="agent.exit", subject="web")["details"]["exit"], kind="signal", signal="SIGKILL")
  '';
}
