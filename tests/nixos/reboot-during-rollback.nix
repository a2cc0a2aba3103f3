# The power goes in the middle of a rollback, after units were stopped and before they are started.
{ lib, ... }:
let
  inherit (import ./lib.nix { inherit lib; }) badAndLingers good machine testScript;
in
{
  name = "daruma-reboot-during-rollback";

  nodes.machine = machine { inherit badAndLingers good; };

  testScript = testScript ''
    with subtest("A rollback that loses its power goes on when the machine is back"):
        start_anew()
        good = deploy("good")
        known_good(good.path)
        deploy("badAndLingers")
        machine.wait_for_file("/run/half-way")
        cut_power()
        assert current() == good.path, "what boots was set before anything moved"
        assert boots_next(good.path)
        entry(action="generation.rolled-back")
        healthy("web")
        assert actions().count("generation.quarantine") == 1
  '';
}
