# NixOS refuses to switch between the two generations while it runs: only a reboot leads back.
{ lib, ... }:
let
  inherit (import ./lib.nix { inherit lib; }) bad good machine testScript;

  # One key that both have and that differs is what makes NixOS refuse.
  inhibits = said: module: {
    imports = [ module ];
    system.switch.inhibitors.daruma-test = said;
  };
in
{
  name = "daruma-rollback-hits-an-inhibitor";

  nodes.machine = machine {
    goodInhibits = inhibits "one" good;
    badInhibits = inhibits "two" bad;
  };

  testScript = testScript ''
    with subtest("A rollback that a switch inhibitor forbids is what boots next, and is there once the machine has booted"):
        start_anew()
        good = deploy("goodInhibits")
        known_good(good.path)
        bad = deploy("badInhibits", "boot")
        reboot()
        assert current() == bad.path
        failed = entry(action="generation.rollback-failed")
        assert failed["subject"] == good.path
        assert "only a reboot can activate it" in json.dumps(failed["details"]), failed
        entry(action="agent.hold", subject="web", after=failed["seq"])
        assert current() == bad.path
        assert boots_next(good.path)
        reboot()
        assert current() == good.path
        healthy("web")
        back = entry(action="generation.rolled-back", after=failed["seq"])
        has(back["details"], by="reboot")
        assert back["details"]["from"] == bad.path
        assert quarantine() == [(bad.path, "web")]
        assert all(each["details"]["from"] == bad.path for each in entries(action="generation.rollback"))
  '';
}
