# An agent that dies is started again in the same generation, and proven to be healthy.
{ lib, ... }:
let
  inherit (import ./lib.nix { inherit lib; }) good machine testScript;
in
{
  name = "daruma-heal";

  nodes.machine = machine { inherit good; };

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
  '';
}
