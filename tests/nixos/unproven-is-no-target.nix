# What has not yet shown that it works is nothing to go back to.
{ lib, ... }:
let
  inherit (import ./lib.nix { inherit lib; }) bad machine testScript unproven;
in
{
  name = "daruma-unproven-is-no-target";

  nodes.machine = machine { inherit bad unproven; };

  testScript = testScript ''
    with subtest("A generation that was never proven is no target: the agent is held instead"):
        start_anew()
        unproven = deploy("unproven")
        healthy("web")
        bad = deploy("bad")
        hold = entry(action="agent.hold", subject="web")
        assert "known-good-target" in str(hold["details"]["noRollback"]), hold
        assert current() == bad.path
        deploy("unproven")
        assert current() == unproven.path
        entry(action="recovery.verified", subject="web", after=hold["seq"])
  '';
}
