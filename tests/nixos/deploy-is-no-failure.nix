# A deploy stops the agents that it changes, and takes away those that it no longer has. Nothing has failed.
{ lib, ... }:
let
  inherit (import ./lib.nix { inherit lib; })
    fleet
    machine
    serves
    testScript
    withOther
    ;
in
{
  name = "daruma-deploy-is-no-failure";

  nodes.machine = machine {
    two = withOther { };
    changed = withOther { code = serves "changed"; };
    withoutWeb = fleet { agents.other = { }; };
  };

  testScript = testScript ''
    with subtest("A deploy that changes an agent is no failure of it"):
        start_anew()
        deploy("two")
        healthy("web")
        before = healthy("other")
        known_good(deploy("changed").path)
        assert says("web") == "changed"
        assert healthy("other")["runId"] == before["runId"], "what did not change ran on"
        assert "agent.exit" not in actions()
        known_good(deploy("withoutWeb").path)
        assert agent("web") is None
        assert not [each for each in entries() if each.get("incident") is not None]
  '';
}
