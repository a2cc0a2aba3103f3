# An agent fails: what is healed, what is waited out, and what is not blamed on anybody. The scenarios of
# tests/host/heal.test.ts.
{ lib, ... }:
let
  inherit (import ./lib.nix { inherit lib; })
    beatsOnceThenAlways
    fleet
    leaksUntilQuiet
    machine
    serves
    servesUntil
    testScript
    ;

  untilBroken.code = servesUntil "/var/broken";
in
{
  name = "daruma-heal";

  nodes.machine = machine {
    good = fleet { agents.web = { }; };
    silent = fleet {
      agents.web = {
        code = beatsOnceThenAlways;
        settings.heartbeat = {
          through = "notify";
          every = "1s";
          silence = "10s";
        };
      };
    };
    leaking = fleet {
      agents.web = {
        code = leaksUntilQuiet "/var/quiet";
        settings.resources.leak = {
          growth = "8MiB";
          within = "30s";
        };
      };
    };
    outage = fleet { agents.web.code = servesUntil "/var/outage"; };
    # The agent changes with this deploy, so that a rollback would be possible.
    outageChanged = fleet { agents.web.code = "${servesUntil "/var/outage"}// changed"; };
    fragile = fleet {
      agents = {
        web = untilBroken;
        other = { };
      };
    };
    otherChanged = fleet {
      agents = {
        web = untilBroken;
        other.code = serves "changed";
      };
    };
  };

  testScript = testScript ''
    with subtest("An agent that is killed is healed in the same generation, and the ledger tells it"):
        start_anew()
        good = deploy("good")
        known_good(good.path)
        before = healthy("web")
        machine.succeed(f"kill -9 {before['pid']}")
        ended = entry(action="agent.exit", subject="web")
        # It has long been proven, and nothing else was wrong: a person, as far as can be told.
        has(ended["details"], cause="killed-by-operator")
        has(ended["details"]["exit"], kind="signal", signal="SIGKILL")
        verified = entry(action="recovery.verified", subject="web")
        assert verified["incident"] == ended["incident"]
        assert verified["run"] != ended["run"]
        after = healthy("web")
        assert after["pid"] != before["pid"]
        assert after["pid"] == pid_of("web")
        assert current() == good.path
        told = actions(incident=ended["incident"])
        assert told == ["agent.exit", "agent.restart", "agent.start", "recovery.verified"], told
        machine.succeed("agentctl status")
        ledger_verifies()

    with subtest("An agent whose whole control group is killed, its hook and all, is healed with the cause known"):
        start_anew()
        deploy("good")
        healthy("web")
        machine.succeed("systemctl kill --signal=KILL daruma-agent-web.service")
        ended = entry(action="agent.exit", subject="web")
        has(ended["details"]["exit"], kind="signal", signal="SIGKILL")
        entry(action="recovery.verified", subject="web")

    with subtest("An agent that falls silent towards systemd is ended by it, and healed as one that hangs"):
        start_anew()
        deploy("silent")
        ended = entry(action="agent.exit", subject="web")
        has(ended["details"], cause="hang")
        has(ended["details"]["exit"], kind="watchdog")
        verified = entry(action="recovery.verified", subject="web")
        assert verified["incident"] == ended["incident"]
        before = healthy("web")
        lasts = time.monotonic() + 20
        until("it is heard for longer than it may be silent", lambda: time.monotonic() > lasts)
        assert healthy("web")["pid"] == before["pid"]

    with subtest("An agent that leaks is restarted at the moment that it calls idle, which is no failure, and the ledger has the slope"):
        start_anew()
        leaking = deploy("leaking")
        known_good(leaking.path)
        before = healthy("web")
        leak = entry(action="agent.leak", subject="web")
        assert leak["run"] == before["runId"]
        has(leak["details"], resource="leak", withinMs=30000, limitBytes=8 * 1024**2)
        assert leak["details"]["samples"] >= 24
        assert leak["details"]["slopeBytesPerHour"] >= 8 * 1024**2 * 3600 / 30 - 1
        assert healthy("web")["pid"] == before["pid"]
        put("now", "/var/quiet")
        preempted = entry(action="agent.preempt", subject="web")
        assert preempted["run"] == before["runId"]
        has(preempted["details"], cause="leak", moment="idle", counts=False)
        until(
            "it runs anew",
            lambda: True if healthy("web")["pid"] != before["pid"] else None,
        )
        assert current() == leaking.path
        assert not any("incident" in each for each in entries()), "something has failed"

    with subtest("A fault outside is waited out: exit code 75 leads to backoff and an alert, never to a rollback"):
        start_anew()
        known_good(deploy("outage").path)
        changed = deploy("outageChanged")
        healthy("web")
        last = last_entry()
        put("75", "/var/outage")
        entry(action="alert.raise", subject="web", after=last)
        until(
            "five tries",
            lambda: True if len([each for each in entries(action="agent.exit") if each["seq"] > last]) >= 5 else None,
        )
        assert current() == changed.path
        machine.succeed("rm /var/outage")
        entry(action="recovery.verified", subject="web", after=last)
        assert "generation.rollback" not in actions()

    with subtest("An agent that a deploy did not change is not rolled back when it starts to fail: it is held, with an alert"):
        start_anew()
        known_good(deploy("fragile").path)
        # That the rest of the host is the same for both is also what is tried here: hostSeed is left at its default.
        changed = deploy("otherChanged")
        known_good(changed.path)
        last = last_entry()
        put("1", "/var/broken")
        hold = entry(action="agent.hold", subject="web", after=last)
        assert "deploy-changed-agent" in str(hold["details"]["noRollback"]), hold
        has(entry(action="alert.raise", subject="web", after=last)["details"], kind="held")
        assert current() == changed.path
        has(agent("other") or {}, phase="healthy")
        machine.succeed("rm /var/broken")
        entry(action="recovery.verified", subject="web", after=last)
        assert "generation.rollback" not in actions()
  '';
}
