# A deploy of something else cannot be why an agent fails, so the deploy stays.
{ lib, ... }:
let
  inherit (import ./lib.nix { inherit lib; })
    fleet
    machine
    serves
    servesUntil
    testScript
    withOther
    ;

  untilBroken.code = servesUntil "/var/broken";
in
{
  name = "daruma-unchanged-agent-held";

  nodes.machine = machine {
    fragile = withOther untilBroken;
    otherChanged = fleet {
      agents = {
        web = untilBroken;
        other.code = serves "changed";
      };
    };
  };

  testScript = testScript ''
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
