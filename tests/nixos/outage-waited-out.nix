# What an agent needs is away: nothing of the host is to blame, and nothing of it is rolled back.
{ lib, ... }:
let
  inherit (import ./lib.nix { inherit lib; }) fleet machine servesUntil testScript;
in
{
  name = "daruma-outage-waited-out";

  nodes.machine = machine {
    outage = fleet { agents.web.code = servesUntil "/var/outage"; };
    # The agent changes with this deploy, so that a rollback would be possible.
    outageChanged = fleet { agents.web.code = "${servesUntil "/var/outage"}// changed"; };
  };

  testScript = testScript ''
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
  '';
}
